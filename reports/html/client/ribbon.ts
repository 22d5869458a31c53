/// <reference lib="dom" />
// The head of the timeline: where in the run one is, the time axis, the phases, and every fault with
// its name. It stays in sight while the panels below scroll.
import {
  type Frame,
  faultHit,
  GUTTER_PX,
  gutterLabel,
  type Hit,
  inPlot,
  type Panel,
  timeAt,
  timeLabel,
  timeTicks,
  xOf,
} from './panel.ts';
import type { RunData } from './run-data.ts';

const OVERVIEW_PX = 6;
const AXIS_PX = 22;
const PHASE_PX = 17;
const FAULT_PX = 17;
const FAULT_ROWS_MAX = 6;
const PHASES_TOP = OVERVIEW_PX + AXIS_PX;
const FAULTS_TOP = PHASES_TOP + PHASE_PX;

/** Rows in which faults that overlap stand below one another. */
export function faultRowsOf(data: RunData): number[] {
  const ends: number[] = [];
  return data.meta.faults.map((fault) => {
    const free = ends.findIndex((end) => end <= fault.from);
    const row = free === -1 ? Math.min(ends.length, FAULT_ROWS_MAX - 1) : free;
    ends[row] = Math.max(ends[row] ?? 0, fault.until);
    return row;
  });
}

export const ribbon: Panel = {
  id: 'ribbon',
  bands: false,
  height(data) {
    const rows = faultRowsOf(data);
    return FAULTS_TOP + (rows.length === 0 ? 4 : (Math.max(...rows) + 1) * FAULT_PX + 5);
  },
  draw(frame) {
    drawOverview(frame);
    drawAxis(frame);
    inPlot(frame, () => {
      drawPhases(frame);
      drawFaults(frame);
    });
    gutterLabel(frame, 'phase', PHASES_TOP + PHASE_PX / 2);
    if (frame.data.meta.faults.length > 0) gutterLabel(frame, 'faults', FAULTS_TOP + FAULT_PX / 2);
  },
  hit(x, y, frame): Hit | undefined {
    if (y >= FAULTS_TOP) return faultHit(x, frame);
    const time = timeAt(frame.view, frame.width, x);
    const phase = frame.data.meta.phases.findLast((p) => p.from <= time);
    if (phase === undefined || y < PHASES_TOP || x < GUTTER_PX) return undefined;
    const span = `${(phase.from / 1e9).toFixed(2)} s – ${(phase.until / 1e9).toFixed(2)} s`;
    return { title: `Phase ${phase.name}`, lines: [span] };
  },
};

function drawOverview({ ctx, width, data, view, theme }: Frame): void {
  const scale = (width - GUTTER_PX) / view.end;
  ctx.fillStyle = theme.color('line');
  ctx.fillRect(GUTTER_PX, 1, width - GUTTER_PX, OVERVIEW_PX - 2);
  for (const fault of data.meta.faults) {
    ctx.fillStyle = theme.tint(fault.kind, 0.6);
    const left = GUTTER_PX + fault.from * scale;
    ctx.fillRect(left, 1, Math.max(1, (fault.until - fault.from) * scale), OVERVIEW_PX - 2);
  }
  if (view.isWhole) return;
  ctx.fillStyle = theme.color('ink');
  const left = GUTTER_PX + view.from * scale;
  ctx.fillRect(left, 0, Math.max(3, (view.until - view.from) * scale), OVERVIEW_PX);
}

function drawAxis(frame: Frame): void {
  const { ctx, width, view, theme } = frame;
  ctx.font = `11px ${theme.font}`;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'center';
  const span = view.until - view.from;
  for (const tick of timeTicks(frame)) {
    const x = Math.round(xOf(frame, tick));
    ctx.fillStyle = theme.color('soft');
    ctx.fillRect(x, PHASES_TOP - 4, 1, 4);
    const text = timeLabel(tick, span);
    const half = ctx.measureText(text).width / 2;
    const at = Math.min(Math.max(x, GUTTER_PX + half), width - half);
    ctx.fillText(text, at, OVERVIEW_PX + (AXIS_PX - 4) / 2 + 1);
  }
}

function drawPhases(frame: Frame): void {
  const { ctx, data, theme } = frame;
  for (const [i, phase] of data.meta.phases.entries()) {
    const left = Math.max(GUTTER_PX, xOf(frame, phase.from));
    const right = Math.min(frame.width, xOf(frame, phase.until));
    if (right <= left) continue;
    ctx.fillStyle = theme.tint('soft', i % 2 === 0 ? 0.14 : 0.24);
    ctx.fillRect(left, PHASES_TOP, right - left, PHASE_PX - 2);
    label(frame, phase.name, left, right, PHASES_TOP + PHASE_PX / 2 - 1);
  }
}

function drawFaults(frame: Frame): void {
  const { ctx, data, view, theme } = frame;
  const rows = faultRowsOf(data);
  for (const [i, fault] of data.meta.faults.entries()) {
    const left = Math.max(GUTTER_PX, xOf(frame, fault.from));
    const right = Math.max(left + 3, Math.min(frame.width, xOf(frame, fault.until)));
    if (xOf(frame, fault.until) < GUTTER_PX || left > frame.width) continue;
    const top = FAULTS_TOP + rows[i]! * FAULT_PX;
    ctx.fillStyle = theme.tint(fault.kind, view.picked.fault === fault.id ? 0.45 : 0.22);
    ctx.fillRect(left, top + 1, right - left, FAULT_PX - 2);
    ctx.fillStyle = theme.color(fault.kind);
    ctx.fillRect(left, top + 1, 3, FAULT_PX - 2);
    label(frame, fault.label, left + 4, right, top + FAULT_PX / 2);
  }
}

/** Text inside a bar, only as much as fits. */
export function label(
  frame: Frame,
  text: string,
  left: number,
  right: number,
  y: number,
  color = frame.theme.color('ink'),
): void {
  const { ctx, theme } = frame;
  const room = right - left - 8;
  if (room < 14) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, y - 12, room + 6, 24);
  ctx.clip();
  ctx.font = `11px ${theme.font}`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillStyle = color;
  ctx.fillText(text, left + 4, y);
  ctx.restore();
}
