/// <reference lib="dom" />
// Two panels of lanes: what each node was at each time, and what each process did. Lanes of processes
// that did nothing in view are left out, so that zooming in leaves the ones that matter.
import type { StateSpan } from '../node-lanes.ts';
import type { PageFault } from '../page-data.ts';
import {
  type Frame,
  faultHit,
  GUTTER_PX,
  gutterLabel,
  type Hit,
  inPlot,
  type Panel,
  type Scroll,
  timeAt,
  xOf,
} from './panel.ts';
import { label } from './ribbon.ts';
import type { ProcessLane, RunData } from './run-data.ts';
import { opHit } from './scatter.ts';
import type { View } from './view.ts';

const NODE_PX = 32;
const NODE_BAR_PX = 17;
const LANE_PX_MIN = 10;
const LANE_PX_MAX = 22;
const LANES_PX = 420;
/** States of brokers have the colours of the coordinators' that they resemble. */
const COLOR_OF: Partial<Record<StateSpan['state'], string>> = {
  controller: 'leading',
  serving: 'following',
  unregistered: 'looking',
};
/** Text on bars whose colour is bright in light and dark alike. */
const DARK = '#10131a';

export const nodes: Panel = {
  id: 'nodes',
  bands: true,
  height: (data) => data.meta.lanes.length * NODE_PX + 6,
  draw(frame) {
    const { meta } = frame.data;
    for (const [i, lane] of meta.lanes.entries()) {
      const top = i * NODE_PX + 4;
      gutterLabel(frame, lane.node, top + NODE_BAR_PX / 2, true);
      inPlot(frame, () => {
        for (const span of lane.spans) drawSpan(frame, span, top);
        for (const id of lane.faults) {
          const fault = meta.faults.find((f) => f.id === id);
          if (fault !== undefined)
            drawNodeFault(frame, fault, top, fault.struck.includes(lane.node));
        }
        drawMarks(frame, lane.marks, top);
      });
    }
  },
  hit(x, y, frame): Hit | undefined {
    const lane = frame.data.meta.lanes[Math.floor((y - 2) / NODE_PX)];
    if (lane === undefined) return undefined;
    const title = (text: string): string => `${lane.node} ${text}`;
    if (x < GUTTER_PX) return { title: title(''), lines: lane.problem ? [lane.problem] : [] };
    const time = timeAt(frame.view, frame.width, x);
    const reach = timeAt(frame.view, frame.width, x + 4) - time;
    const span = lane.spans.findLast((s) => s.from <= time);
    const fault = frame.data.meta.faults.find(
      (f) => lane.faults.includes(f.id) && f.from <= time && time <= f.until,
    );
    const lines: string[] = [];
    if (span !== undefined) {
      lines.push(`${seconds(span.from)} – ${seconds(span.until)}`);
      if (span.reason !== undefined) lines.push(span.reason);
    }
    for (const mark of lane.marks.filter((m) => Math.abs(m.t - time) < reach).slice(0, 6)) {
      lines.push(`${seconds(mark.t)} ${mark.text}`);
    }
    if (fault !== undefined) lines.push(`fault ${fault.id}: ${fault.label}`);
    if (lane.problem !== undefined) lines.push(`event log: ${lane.problem}`);
    const hit: Hit = { title: title(span === undefined ? '' : spanText(span)), lines };
    if (fault !== undefined) hit.fault = fault.id;
    return hit;
  },
};

function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`;
}

function spanText({ state, epoch, leader, established }: StateSpan): string {
  if (state === 'leading') {
    return `${established === true ? 'leading' : 'elected, not yet established'}${epoch === undefined ? '' : ` · epoch ${epoch}`}`;
  }
  if (state === 'controller') return `controller${epoch === undefined ? '' : ` · epoch ${epoch}`}`;
  if (state === 'following') return `following ${leader ?? ''}`.trim();
  return state === 'unknown' ? 'no events recorded' : state;
}

function drawSpan(frame: Frame, span: StateSpan, top: number): void {
  const { ctx, theme } = frame;
  const left = Math.max(GUTTER_PX, xOf(frame, span.from));
  const right = Math.min(frame.width, xOf(frame, span.until));
  if (right <= left) return;
  const width = Math.max(1, right - left);
  if (span.state === 'down' || span.state === 'unknown') {
    ctx.strokeStyle = theme.tint(span.state === 'down' ? 'kill' : 'soft', 0.8);
    ctx.setLineDash([3, 3]);
    ctx.lineWidth = 1;
    ctx.strokeRect(left + 0.5, top + 0.5, Math.max(0, width - 1), NODE_BAR_PX - 1);
    ctx.setLineDash([]);
  } else {
    ctx.fillStyle = theme.color(COLOR_OF[span.state] ?? span.state);
    ctx.globalAlpha = span.state === 'leading' && span.established !== true ? 0.45 : 1;
    ctx.fillRect(left, top, width, NODE_BAR_PX);
    ctx.globalAlpha = 1;
  }
  const crown = (span.state === 'leading' && span.established) || span.state === 'controller';
  const crowned = crown === true && width > 16;
  if (crowned) drawCrown(frame, left + 5, top + 3.5);
  const color = span.state === 'leading' || span.state === 'controller' ? DARK : theme.color('ink');
  label(
    frame,
    spanText(span),
    left + (crowned ? 16 : 0),
    right,
    top + NODE_BAR_PX / 2 + 0.5,
    color,
  );
}

function drawCrown({ ctx }: Frame, x: number, y: number): void {
  ctx.beginPath();
  for (const [dx, dy] of [
    [0, 1],
    [3, 5],
    [6, 0],
    [9, 5],
    [12, 1],
    [10.5, 10],
    [1.5, 10],
  ] as const) {
    ctx.lineTo(x + dx, y + dy);
  }
  ctx.closePath();
  ctx.fillStyle = DARK;
  ctx.fill();
}

function drawNodeFault(frame: Frame, fault: PageFault, top: number, struck: boolean): void {
  const { ctx, theme } = frame;
  const left = xOf(frame, fault.from);
  const width = Math.max(2, xOf(frame, fault.until) - left);
  if (fault.kind === 'pause') {
    ctx.fillStyle = theme.tint('card', 0.55);
    ctx.fillRect(left, top, width, NODE_BAR_PX);
    ctx.fillStyle = theme.stripes('pause');
    ctx.fillRect(left, top, width, NODE_BAR_PX);
    label(frame, 'paused', Math.max(GUTTER_PX, left) + 4, left + width, top + NODE_BAR_PX / 2);
  }
  ctx.fillStyle = theme.color(fault.kind);
  ctx.fillRect(left, top + NODE_BAR_PX + 2, width, struck ? 5 : 1.5);
}

function drawMarks(frame: Frame, marks: readonly { t: number }[], top: number): void {
  const { ctx, theme } = frame;
  ctx.fillStyle = theme.tint('ink', 0.55);
  let last = Number.NEGATIVE_INFINITY;
  for (const mark of marks) {
    const x = Math.round(xOf(frame, mark.t));
    if (x === last || x < GUTTER_PX) continue;
    last = x;
    ctx.fillRect(x, top - 3, 1, 4);
  }
}

/** Lanes of the processes that had an operation going in view (or, of an anomaly, the ones involved). */
export function lanesInView(data: RunData, view: View): ProcessLane[] {
  const { highlight } = view;
  const involved = highlight && new Set([...highlight].map((row) => data.laneOfRow[row]));
  return data.lanes.filter((lane, i) => {
    if (involved !== undefined && involved.size > 0) return involved.has(i);
    const at = lastInvokedBy(data, lane, view.until);
    return at >= 0 && lastMoment(data, lane.rows[at]!) >= view.from;
  });
}

// An operation without an answer ends here where it began: its tail must not hold the lane for ever.
function lastMoment(data: RunData, row: number): number {
  return Number.isNaN(data.end[row]!) ? data.invoke[row]! : data.end[row]!;
}

function lastInvokedBy(data: RunData, lane: ProcessLane, time: number): number {
  let low = 0;
  let high = lane.rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (data.invoke[lane.rows[middle]!]! <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function lanePx(count: number): number {
  return Math.min(LANE_PX_MAX, Math.max(LANE_PX_MIN, Math.floor(LANES_PX / Math.max(1, count))));
}

const lanesScroll: Scroll = { top: 0, height: LANES_PX, heightMax: LANES_PX + 20 };

export const processes: Panel = {
  id: 'processes',
  scroll: lanesScroll,
  bands: true,
  height(data, view) {
    const count = lanesInView(data, view).length;
    return Math.max(40, count * lanePx(count));
  },
  draw(frame) {
    const { ctx, data, view, theme } = frame;
    const lanes = lanesInView(data, view);
    const px = lanePx(lanes.length);
    const first = Math.floor(lanesScroll.top / px);
    for (let i = first; i < lanes.length && i * px < lanesScroll.top + frame.height; i++) {
      const lane = lanes[i]!;
      const top = i * px - lanesScroll.top;
      if (i % 2 === 1) {
        ctx.fillStyle = theme.tint('soft', 0.06);
        ctx.fillRect(GUTTER_PX, top, frame.width - GUTTER_PX, px);
      }
      gutterLabel(frame, `process ${lane.process}`, top + px / 2);
      inPlot(frame, () => drawLane(frame, lane, top, px));
    }
    if (lanes.length === 0) gutterLabel(frame, 'none in view', 20);
  },
  hit(x, y, frame): Hit | undefined {
    const { data, view } = frame;
    const lanes = lanesInView(data, view);
    const lane = lanes[Math.floor((y + lanesScroll.top) / lanePx(lanes.length))];
    if (lane === undefined || x < GUTTER_PX) return undefined;
    const time = timeAt(view, frame.width, x);
    const reach = timeAt(view, frame.width, x + 3) - time;
    const at = lastInvokedBy(data, lane, time + reach);
    const row = lane.rows[at];
    const open = row !== undefined && data.outcome(row) === 'info';
    if (row === undefined || (!open && lastMoment(data, row) < time - reach)) {
      return faultHit(x, frame);
    }
    return opHit(data, row);
  },
};

function drawLane(frame: Frame, lane: ProcessLane, top: number, px: number): void {
  const { ctx, data, view, theme } = frame;
  const barTop = top + 1.5;
  const barPx = px - 3;
  // Right edge of the last bar drawn, per outcome: bars that share a pixel are drawn once.
  const drawn = [GUTTER_PX - 2, GUTTER_PX - 2, GUTTER_PX - 2];
  const last = lastInvokedBy(data, lane, view.until);
  const first = Math.max(0, lastInvokedBy(data, lane, view.from));
  for (let i = first; i <= last; i++) {
    const row = lane.rows[i]!;
    const type = data.type[row]!;
    if (view.hiddenOutcomes.has(type)) continue;
    const outcome = data.outcome(row);
    const bright = view.highlight === undefined || view.highlight.has(row);
    const left = Math.max(GUTTER_PX - 2, xOf(frame, data.invoke[row]!));
    const right = Math.min(frame.width + 2, xOf(frame, lastMoment(data, row)));
    const width = Math.max(outcome === 'ok' ? 1 : 2, right - left);
    if (outcome === 'info') drawTail(frame, Math.max(left, right), barTop, barPx);
    const picked = view.picked.row === row || (view.highlight !== undefined && bright);
    if (left + width - drawn[type]! < 0.7 && !picked) continue;
    drawn[type] = left + width;
    ctx.globalAlpha = bright ? 1 : 0.18;
    ctx.fillStyle = theme.outcomes[outcome];
    ctx.fillRect(left, barTop, width > 4 ? width - 1 : width, barPx);
    if (width > 64 && px >= 12) {
      ctx.fillStyle = DARK;
      drawBarText(ctx, theme.font, data.title(row), left, width, top + px / 2);
    }
    ctx.globalAlpha = 1;
    if (picked) {
      ctx.strokeStyle = theme.color('ink');
      ctx.lineWidth = view.picked.row === row ? 2.5 : 1.5;
      ctx.strokeRect(left - 1, barTop - 1, Math.max(4, width) + 2, barPx + 2);
    }
  }
}

function drawBarText(
  ctx: CanvasRenderingContext2D,
  font: string,
  text: string,
  left: number,
  width: number,
  y: number,
): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, y - 12, width - 4, 24);
  ctx.clip();
  ctx.font = `10.5px ${font}`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillText(text, Math.max(left, GUTTER_PX) + 4, y + 0.5);
  ctx.restore();
}

// Nobody knows whether an open operation took effect, or when: it goes on to the right, fading.
function drawTail(frame: Frame, from: number, top: number, height: number): void {
  const { ctx, theme, width } = frame;
  if (from >= width) return;
  const gradient = ctx.createLinearGradient(from, 0, Math.max(from + 1, width), 0);
  gradient.addColorStop(0, theme.tint('info', 0.55));
  gradient.addColorStop(1, theme.tint('info', 0.12));
  ctx.fillStyle = gradient;
  ctx.fillRect(from, top + height / 2 - 1, width - from, 2);
}
