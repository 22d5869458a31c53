/// <reference lib="dom" />
// What every panel shares: a canvas on the common time axis, fault bands and grid behind, ticks. A
// panel adds only what it draws and what lies under a point of it.
import type { RunData } from './run-data.ts';
import type { Theme } from './theme.ts';
import type { View } from './view.ts';

/** Left of the plots, for labels; the same in all panels so that their times align. */
export const GUTTER_PX = 88;

/** What lies under a point: something to tell, and maybe something to pick. */
export interface Hit {
  row?: number;
  fault?: number;
  title: string;
  lines: string[];
}

/** Everything to draw with. Lengths in CSS pixels. */
export interface Frame {
  ctx: CanvasRenderingContext2D;
  width: number;
  height: number;
  ratio: number;
  data: RunData;
  view: View;
  theme: Theme;
}

/** How far a panel that is higher than it may be is scrolled, and how much of it is seen. Set by the stage. */
export interface Scroll {
  top: number;
  height: number;
  readonly heightMax: number;
}

export interface Panel {
  id: string;
  /** It scrolls within itself where it wants more height than `heightMax`. */
  scroll?: Scroll;
  /** Height wanted, given the data and what is shown. */
  height(data: RunData, view: View): number;
  /** Only the band of the plot that fault bands cover; undefined = no bands. */
  bands: boolean;
  draw(frame: Frame): void;
  hit(x: number, y: number, frame: Frame): Hit | undefined;
}

/** Horizontal pixel of a time. */
export function xOf(frame: Frame, time: number): number {
  const { view, width } = frame;
  return GUTTER_PX + ((time - view.from) / (view.until - view.from)) * (width - GUTTER_PX);
}

/** Time at a horizontal pixel. */
export function timeAt(view: View, width: number, x: number): number {
  return view.from + ((x - GUTTER_PX) / (width - GUTTER_PX)) * (view.until - view.from);
}

/** Ticks at round numbers, about one per `pixels`. */
export function ticks(from: number, until: number, countMax: number): number[] {
  const step = niceAtLeast((until - from) / Math.max(1, countMax));
  const list: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= until; tick += step) list.push(tick);
  return list;
}

/** The smallest of 1, 2, 5 × 10^n that is not below `value`. */
export function niceAtLeast(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const nice = [1, 2, 5, 10].find((n) => n * power >= value * 0.999_999) ?? 10;
  return nice * power;
}

/** A time on the axis with as many digits as the span needs. */
export function timeLabel(ns: number, spanNs: number): string {
  const digits = Math.min(9, Math.max(0, Math.ceil(-Math.log10(spanNs / 1e9)) + 1));
  return `${(ns / 1e9).toFixed(digits)} s`;
}

/** Fault bands and time grid; every panel's ground. */
export function drawGround(frame: Frame): void {
  const { ctx, width, height, data, view, theme } = frame;
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER_PX, 0, width - GUTTER_PX, height);
  ctx.clip();
  for (const fault of data.meta.faults) {
    if (fault.until < view.from || fault.from > view.until) continue;
    const left = xOf(frame, fault.from);
    const right = Math.max(left + 2, xOf(frame, fault.until));
    const picked = view.picked.fault === fault.id;
    ctx.fillStyle = theme.tint(fault.kind, picked ? 0.2 : 0.09);
    ctx.fillRect(left, 0, right - left, height);
    ctx.fillStyle = theme.stripes(fault.kind);
    ctx.fillRect(left, 0, right - left, height);
    ctx.fillStyle = theme.tint(fault.kind, 0.75);
    ctx.fillRect(left, 0, 1, height);
    ctx.fillRect(right - 1, 0, 1, height);
  }
  ctx.fillStyle = theme.tint('soft', 0.16);
  for (const tick of timeTicks(frame)) ctx.fillRect(Math.round(xOf(frame, tick)), 0, 1, height);
  ctx.restore();
}

export function timeTicks(frame: Frame): number[] {
  return ticks(frame.view.from, frame.view.until, (frame.width - GUTTER_PX) / 110);
}

/** Clips everything that `draw` draws to the plot, right of the gutter. */
export function inPlot(frame: Frame, draw: () => void): void {
  const { ctx, width, height } = frame;
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER_PX, 0, width - GUTTER_PX, height);
  ctx.clip();
  draw();
  ctx.restore();
}

/** A label in the gutter, right-aligned, centred on `y`. */
export function gutterLabel(frame: Frame, text: string, y: number, strong = false): void {
  const { ctx, theme } = frame;
  ctx.font = `${strong ? '600 12px' : '11px'} ${theme.font}`;
  ctx.fillStyle = theme.color(strong ? 'ink' : 'soft');
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  ctx.fillText(fitted(ctx, text, GUTTER_PX - 12), GUTTER_PX - 8, y);
}

// Names differ at their ends, so what does not fit is left out in front.
function fitted(ctx: CanvasRenderingContext2D, text: string, widthPx: number): string {
  let shown = text;
  while (shown.length > 4 && ctx.measureText(shown).width > widthPx) shown = `…${shown.slice(2)}`;
  return shown;
}

/** A horizontal line with its label. */
export function gridLine(frame: Frame, text: string, y: number): void {
  const { ctx, theme, width } = frame;
  ctx.fillStyle = theme.tint('soft', 0.16);
  ctx.fillRect(GUTTER_PX, Math.round(y), width - GUTTER_PX, 1);
  gutterLabel(frame, text, y);
}

/** The fault whose band covers `x`, told in full; the shortest one where several overlap. */
export function faultHit(x: number, frame: Frame): Hit | undefined {
  if (x < GUTTER_PX) return undefined;
  const time = timeAt(frame.view, frame.width, x);
  const fault = frame.data.meta.faults
    .filter((f) => f.from <= time && time <= f.until)
    .sort((a, b) => a.until - a.from - (b.until - b.from))[0];
  if (fault === undefined) return undefined;
  const seconds = (ns: number): string => `${(ns / 1e9).toFixed(3)} s`;
  const lines = [
    `${seconds(fault.from)} – ${seconds(fault.until)}, lasted ${seconds(fault.until - fault.from)}`,
    fault.json.length > 400 ? `${fault.json.slice(0, 400)}…` : fault.json,
    `injection ${fault.injection}`,
    `heal ${fault.heal}`,
  ];
  if (fault.recoveryMs !== undefined) lines.push(`recovered in ${fault.recoveryMs.toFixed(1)} ms`);
  return { fault: fault.id, title: `Fault ${fault.id}: ${fault.label}`, lines };
}
