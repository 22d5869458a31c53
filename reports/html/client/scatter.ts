/// <reference lib="dom" />
// Each operation as a point: when it was due against how long the answer took, on a log scale.
// Hundreds of thousands are stamped into pixels, a few thousand are drawn as round points.
import {
  type Frame,
  faultHit,
  GUTTER_PX,
  gridLine,
  gutterLabel,
  type Hit,
  inPlot,
  type Panel,
  timeAt,
  xOf,
} from './panel.ts';
import { lowerBound, type RunData } from './run-data.ts';
import { rgb } from './theme.ts';

const HEIGHT_PX = 300;
const TOP_PX = 22;
const BOTTOM_PX = 8;
/** Where operations without an answer lie, above the scale. */
const OPEN_Y_PX = 10;
const ROUND_POINTS_MAX = 6_000;
const REACH_PX = 8;
const DIMMED = 0.1;
const INFO = 1;

let scaleOf: { data: RunData; low: number; high: number; open: boolean } | undefined;

// The scale is the whole run's, so that points keep their height while one zooms.
function scale(data: RunData): { low: number; high: number; open: boolean } {
  if (scaleOf?.data === data) return scaleOf;
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  let open = false;
  for (const ms of data.latencyMs) {
    if (Number.isNaN(ms)) open = true;
    else {
      if (ms > high) high = ms;
      if (ms < low && ms > 0) low = ms;
    }
  }
  if (high === 0) [low, high] = [0.1, 10];
  low = Math.max(low, 1e-3);
  scaleOf = {
    data,
    low: Math.floor(Math.log10(low) * 3) / 3,
    high: Math.ceil(Math.log10(Math.max(high, low * 10)) * 3) / 3,
    open,
  };
  return scaleOf;
}

export function yOfMs(data: RunData, ms: number): number {
  if (Number.isNaN(ms)) return OPEN_Y_PX;
  const { low, high } = scale(data);
  const share = (Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low);
  return TOP_PX + (1 - share) * (HEIGHT_PX - TOP_PX - BOTTOM_PX);
}

export const scatter: Panel = {
  id: 'scatter',
  bands: true,
  height: () => HEIGHT_PX,
  draw(frame) {
    const { data } = frame;
    const { low, high, open } = scale(data);
    for (let power = Math.ceil(low); power <= high; power++) {
      gridLine(frame, msLabel(10 ** power), yOfMs(data, 10 ** power));
    }
    if (open) gutterLabel(frame, 'no answer', OPEN_Y_PX);
    const [first, last] = visible(frame);
    if (last - first <= ROUND_POINTS_MAX) inPlot(frame, () => drawRound(frame, first, last));
    else drawStamped(frame, first, last);
    inPlot(frame, () => drawPicked(frame));
  },
  hit(x, y, frame): Hit | undefined {
    const row = nearest(x, y, frame);
    if (row === undefined) return faultHit(x, frame);
    return opHit(frame.data, row);
  },
};

/** What a tooltip says of an operation. */
export function opHit(data: RunData, row: number): Hit {
  const { meta } = data;
  const ms = data.latencyMs[row]!;
  const node = data.name('node', meta.nodes, row);
  const error = data.name('error', meta.errors, row);
  const lines = [
    `${data.outcome(row)}${Number.isNaN(ms) ? ', no answer' : ` after ${ms.toFixed(3)} ms`}` +
      `, at ${(data.due[row]! / 1e9).toFixed(6)} s`,
    `process ${data.number('process', row)}${node === undefined ? '' : ` on ${node}`}`,
  ];
  if (error !== undefined) lines.push(error);
  return { row, title: `#${data.number('id', row)} ${data.title(row)}`, lines };
}

export function msLabel(ms: number): string {
  if (ms >= 1000) return `${ms / 1000} s`;
  return ms >= 1 ? `${ms} ms` : `${Number((ms * 1000).toPrecision(3))} µs`;
}

// Positions in `byDue` from first up to last, exclusive.
function visible({ data, view }: Frame): [first: number, last: number] {
  return [lowerBound(data.dueSorted, view.from), lowerBound(data.dueSorted, view.until + 1)];
}

function drawRound(frame: Frame, first: number, last: number): void {
  const { ctx, data, view, theme } = frame;
  for (const [type, outcome] of (['ok', 'info', 'fail'] as const).entries()) {
    if (view.hiddenOutcomes.has(type)) continue;
    ctx.fillStyle = theme.outcomes[outcome];
    for (let i = first; i < last; i++) {
      const row = data.byDue[i]!;
      if (data.type[row] !== type) continue;
      ctx.globalAlpha = view.highlight !== undefined && !view.highlight.has(row) ? DIMMED : 0.85;
      ctx.beginPath();
      ctx.arc(xOf(frame, data.due[row]!), yOfMs(data, data.latencyMs[row]!), 3, 0, 2 * Math.PI);
      ctx.fill();
    }
  }
  ctx.globalAlpha = 1;
}

function drawStamped(frame: Frame, first: number, last: number): void {
  const { ctx, data, view, theme, ratio } = frame;
  const columns = Math.round((frame.width - GUTTER_PX) * ratio);
  const rows = Math.round(HEIGHT_PX * ratio);
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const open = new Uint8Array(pixels.length);
  const bright = view.highlight;
  const alpha = bright === undefined ? 230 : Math.round(255 * DIMMED);
  // ImageData is RGBA in memory; every platform a browser runs on is little-endian.
  const colors = (['ok', 'info', 'fail'] as const).map((outcome) => {
    const [r, g, b] = rgb(theme.outcomes[outcome]);
    return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
  const size = Math.max(2, Math.round(2 * ratio));
  const perNs = columns / (view.until - view.from);
  for (let i = first; i < last; i++) {
    const row = data.byDue[i]!;
    const type = data.type[row]!;
    if (view.hiddenOutcomes.has(type)) continue;
    const left = Math.round((data.due[row]! - view.from) * perNs - size / 2);
    const top = Math.round(yOfMs(data, data.latencyMs[row]!) * ratio - size / 2);
    for (let y = Math.max(0, top); y < Math.min(rows, top + size); y++) {
      for (let x = Math.max(0, left); x < Math.min(columns, left + size); x++) {
        const at = y * columns + x;
        // Open operations are rare and matter, so nothing covers them; of ok and fail the later one
        // wins, which shows them in proportion.
        if (open[at] === 1 && type !== INFO) continue;
        if (type === INFO) open[at] = 1;
        pixels[at] = colors[type]!;
      }
    }
  }
  const layer = document.createElement('canvas');
  layer.width = columns;
  layer.height = rows;
  layer.getContext('2d')?.putImageData(image, 0, 0);
  ctx.drawImage(layer, GUTTER_PX, 0, frame.width - GUTTER_PX, HEIGHT_PX);
}

function drawPicked(frame: Frame): void {
  const { ctx, data, view, theme } = frame;
  const rings = [...(view.highlight ?? [])].slice(0, 500);
  const { row: picked } = view.picked;
  if (picked !== undefined && !rings.includes(picked)) rings.push(picked);
  for (const row of rings) {
    const x = xOf(frame, data.due[row]!);
    const y = yOfMs(data, data.latencyMs[row]!);
    ctx.beginPath();
    ctx.arc(x, y, 4, 0, 2 * Math.PI);
    ctx.fillStyle = theme.outcomes[data.outcome(row)];
    ctx.fill();
    ctx.beginPath();
    ctx.arc(x, y, row === picked ? 8 : 6, 0, 2 * Math.PI);
    ctx.lineWidth = row === picked ? 2.5 : 1.5;
    ctx.strokeStyle = theme.color('ink');
    ctx.stroke();
  }
}

function nearest(x: number, y: number, frame: Frame): number | undefined {
  const { data, view } = frame;
  const first = lowerBound(data.dueSorted, timeAt(view, frame.width, x - REACH_PX));
  const last = lowerBound(data.dueSorted, timeAt(view, frame.width, x + REACH_PX));
  let best: number | undefined;
  let bestDistance = REACH_PX ** 2;
  for (let i = first; i < last; i++) {
    const row = data.byDue[i]!;
    if (view.hiddenOutcomes.has(data.type[row]!)) continue;
    if (view.highlight !== undefined && !view.highlight.has(row)) continue;
    const dx = xOf(frame, data.due[row]!) - x;
    const dy = yOfMs(data, data.latencyMs[row]!) - y;
    const distance = dx * dx + dy * dy;
    if (distance < bestDistance) {
      bestDistance = distance;
      best = row;
    }
  }
  return best;
}
