/// <reference lib="dom" />
// Two panels of curves: quantiles of latency over time, and operations a second by outcome. Both are
// computed from what is in view, in bins of round lengths that stay put while one moves.
import {
  type Frame,
  faultHit,
  GUTTER_PX,
  gridLine,
  type Hit,
  inPlot,
  niceAtLeast,
  type Panel,
  ticks,
  timeAt,
  xOf,
} from './panel.ts';
import { lowerBound, type RunData } from './run-data.ts';
import { msLabel } from './scatter.ts';
import type { View } from './view.ts';

const HEIGHT_PX = 170;
const EDGE_PX = 10;
const BIN_PX_MIN = 7;
// Fewer say little: a p99 of ten operations is their maximum, a rate of one is a spike.
const OPS_PER_QUANTILE_BIN = 40;
const OPS_PER_RATE_BIN = 8;

const QUANTILES = [
  ['p50', 0.5],
  ['p95', 0.95],
  ['p99', 0.99],
  ['max', 1],
] as const;

interface Bins {
  key: string;
  widthNs: number;
  /** Index of the first bin: its start is first × widthNs. */
  first: number;
  counts: Uint32Array;
  /** Per quantile, per bin, in ms; NaN for an empty bin. */
  curves: Float64Array[];
}

/** Quantiles of the acknowledged operations in view, binned by when they were due. */
function quantileBins(data: RunData, view: View, plotPx: number): Bins {
  const from = lowerBound(data.dueSorted, view.from);
  const until = lowerBound(data.dueSorted, view.until);
  const span = view.until - view.from;
  const widest = Math.max(
    (span * BIN_PX_MIN) / plotPx,
    (span * OPS_PER_QUANTILE_BIN) / (until - from + 1),
  );
  const widthNs = niceAtLeast(Math.min(widest, span));
  const first = Math.floor(view.from / widthNs);
  const count = Math.floor(view.until / widthNs) - first + 1;
  const curves = QUANTILES.map(() => new Float64Array(count).fill(Number.NaN));
  const counts = new Uint32Array(count);
  // Whole bins, also where the view's edge cuts them: else the edge's values would change by moving.
  let at = lowerBound(data.dueSorted, first * widthNs);
  for (let bin = 0; bin < count; bin++) {
    const latencies: number[] = [];
    const end = (first + bin + 1) * widthNs;
    for (; at < data.count && data.dueSorted[at]! < end; at++) {
      const row = data.byDue[at]!;
      if (data.type[row] === 0) latencies.push(data.latencyMs[row]!);
    }
    if (latencies.length === 0) continue;
    const sorted = Float64Array.from(latencies).sort();
    counts[bin] = sorted.length;
    for (const [i, [, q]] of QUANTILES.entries()) {
      curves[i]![bin] = sorted[Math.ceil(q * sorted.length) - 1]!;
    }
  }
  return { key: '', widthNs, first, counts, curves };
}

/** Operations of each outcome that ended in each bin; those without an answer where they began. */
function throughputBins(data: RunData, view: View, plotPx: number): Bins {
  const from = lowerBound(data.dueSorted, view.from);
  const until = lowerBound(data.dueSorted, view.until);
  const span = view.until - view.from;
  const widest = Math.max(
    (span * BIN_PX_MIN) / plotPx,
    (span * OPS_PER_RATE_BIN) / (until - from + 1),
  );
  const widthNs = niceAtLeast(Math.min(widest, span));
  const first = Math.floor(view.from / widthNs);
  const count = Math.floor(view.until / widthNs) - first + 1;
  const curves = [0, 1, 2].map(() => new Float64Array(count));
  const counts = new Uint32Array(count);
  for (let row = 0; row < data.count; row++) {
    const ended = data.end[row]!;
    const bin = Math.floor((Number.isNaN(ended) ? data.invoke[row]! : ended) / widthNs) - first;
    if (bin < 0 || bin >= count) continue;
    const type = data.type[row]!;
    const weight = type === 0 ? data.meta.okWeight : 1;
    curves[type]![bin]! += (weight * 1e9) / widthNs;
    counts[bin]! += weight;
  }
  return { key: '', widthNs, first, counts, curves };
}

// One cached result per panel: hovering must not count two hundred thousand operations again.
function cached(compute: typeof quantileBins): (frame: Frame) => Bins {
  let last: Bins | undefined;
  return ({ data, view, width }) => {
    const key = `${view.from} ${view.until} ${width}`;
    if (last?.key !== key) last = { ...compute(data, view, width - GUTTER_PX), key };
    return last;
  };
}

const quantilesOf = cached(quantileBins);
const throughputOf = cached(throughputBins);

function binAt(frame: Frame, bins: Bins, x: number): number | undefined {
  const bin = Math.floor(timeAt(frame.view, frame.width, x) / bins.widthNs) - bins.first;
  return x >= GUTTER_PX && bin >= 0 && bin < bins.counts.length ? bin : undefined;
}

function binTitle(bins: Bins, bin: number): string {
  const from = ((bins.first + bin) * bins.widthNs) / 1e9;
  return `${Number(from.toFixed(9))} s, for ${msLabel(bins.widthNs / 1e6)}`;
}

function logScale(curves: readonly Float64Array[]): [low: number, high: number] {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of curves.flatMap((curve) => [...curve])) {
    if (value > high) high = value;
    if (value > 0 && value < low) low = value;
  }
  if (high === 0) return [-1, 1];
  return [
    Math.floor(Math.log10(low) * 2) / 2,
    Math.ceil(Math.log10(Math.max(high, low * 3)) * 2) / 2,
  ];
}

export const quantiles: Panel = {
  id: 'quantiles',
  bands: true,
  height: () => HEIGHT_PX,
  draw(frame) {
    const bins = quantilesOf(frame);
    const [low, high] = logScale(bins.curves);
    const y = (ms: number): number =>
      EDGE_PX + (1 - (Math.log10(ms) - low) / (high - low)) * (HEIGHT_PX - 2 * EDGE_PX);
    for (let power = Math.ceil(low); power <= high; power++) {
      gridLine(frame, msLabel(10 ** power), y(10 ** power));
    }
    inPlot(frame, () => {
      for (const [i, [name]] of QUANTILES.entries()) {
        drawCurve(frame, bins, bins.curves[i]!, y, frame.theme.color(name));
      }
    });
  },
  hit(x, _y, frame): Hit | undefined {
    const bins = quantilesOf(frame);
    const bin = binAt(frame, bins, x);
    if (bin === undefined) return undefined;
    const fault = faultHit(x, frame);
    const lines = [`${bins.counts[bin]} acknowledged operations`];
    if (bins.counts[bin]! > 0) {
      for (const [i, [name]] of QUANTILES.entries()) {
        lines.push(`${name}  ${bins.curves[i]![bin]!.toFixed(3)} ms`);
      }
    }
    if (fault !== undefined) lines.push(fault.title);
    const hit: Hit = { title: binTitle(bins, bin), lines };
    if (fault?.fault !== undefined) hit.fault = fault.fault;
    return hit;
  },
};

export const throughput: Panel = {
  id: 'throughput',
  bands: true,
  height: () => HEIGHT_PX,
  draw(frame) {
    const { ctx, data, view, theme, width } = frame;
    const bins = throughputOf(frame);
    const { ratePerSecond } = data.meta;
    // Of few bins a single full one is an artefact of rounding; the wanted rate bounds from below.
    let high = Math.max(1, ratePerSecond * 1.1);
    for (const curve of bins.curves) for (const value of curve) if (value > high) high = value;
    const y = (rate: number): number => EDGE_PX + (1 - rate / high) * (HEIGHT_PX - 2 * EDGE_PX);
    for (const tick of ticks(0, high, 4)) gridLine(frame, tick.toLocaleString('en-US'), y(tick));
    inPlot(frame, () => {
      if (ratePerSecond > 0) {
        ctx.setLineDash([5, 4]);
        ctx.strokeStyle = theme.tint('ink', 0.5);
        ctx.lineWidth = 1;
        ctx.beginPath();
        ctx.moveTo(GUTTER_PX, Math.round(y(ratePerSecond)) + 0.5);
        ctx.lineTo(width, Math.round(y(ratePerSecond)) + 0.5);
        ctx.stroke();
        ctx.setLineDash([]);
      }
      for (const [type, outcome] of (['ok', 'info', 'fail'] as const).entries()) {
        if (view.hiddenOutcomes.has(type)) continue;
        drawCurve(frame, bins, bins.curves[type]!, y, theme.outcomes[outcome]);
      }
    });
  },
  hit(x, _y, frame): Hit | undefined {
    const bins = throughputOf(frame);
    const bin = binAt(frame, bins, x);
    if (bin === undefined) return undefined;
    const fault = faultHit(x, frame);
    const [ok, info, fail] = bins.curves.map((curve) => Math.round(curve[bin]!));
    const lines = [`ok ${ok}/s`, `info ${info}/s`, `fail ${fail}/s`];
    if (fault !== undefined) lines.push(fault.title);
    const hit: Hit = { title: binTitle(bins, bin), lines };
    if (fault?.fault !== undefined) hit.fault = fault.fault;
    return hit;
  },
};

/** Steps and not slopes: a bin says something of its whole length and nothing of the way to the next. */
export function drawCurve(
  frame: Frame,
  bins: Pick<Bins, 'first' | 'widthNs'>,
  curve: Float64Array,
  y: (value: number) => number,
  color: string,
  widthPx = 1.75,
): void {
  const { ctx } = frame;
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = widthPx;
  ctx.lineJoin = 'round';
  ctx.beginPath();
  let drawing = false;
  for (const [bin, value] of curve.entries()) {
    if (Number.isNaN(value)) {
      drawing = false;
      continue;
    }
    const left = xOf(frame, (bins.first + bin) * bins.widthNs);
    const right = xOf(frame, (bins.first + bin + 1) * bins.widthNs);
    const height = y(value);
    if (drawing) ctx.lineTo(left, height);
    else ctx.moveTo(left, height);
    ctx.lineTo(right, height);
    drawing = true;
  }
  ctx.stroke();
}
