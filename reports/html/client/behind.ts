/// <reference lib="dom" />
// Two panels of what is still to be read: how far each consumer is behind, a strip per partition, and how many
// acknowledged messages nobody has read yet. What was never read at all stays as the second one's ground.
import { type BrokerData, lowerBoundIn, type Steps, valueAt } from './broker-data.ts';
import { drawCurve } from './curves.ts';
import { countsForLag, endSteps, lagBins } from './lag.ts';
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
import { msLabel } from './scatter.ts';
import {
  consumerColor,
  drawStripGround,
  drawStripName,
  drawWhyEmpty,
  type Strip,
  Strips,
  yIn,
} from './strips.ts';

const BIN_PX = 4;
const LISTED_MAX = 8;
const TICK_PX = 20;
const UNSEEN_PX = 150;
const EDGE_PX = 10;

export const lagStrips = new Strips(84);

interface StripLags {
  widthNs: number;
  first: number;
  count: number;
  curves: { consumer: number; lags: Float64Array }[];
  highest: number;
}

const endsOf = new WeakMap<object, Steps>();
const lagsOf = new WeakMap<object, { key: string; lags: StripLags }>();

// Cached by what is in view: hovering must not count all marks again.
function stripLags(frame: Frame, broker: BrokerData, { partition }: Strip): StripLags {
  const { view, width } = frame;
  const key = `${view.from} ${view.until} ${width}`;
  const cached = lagsOf.get(partition);
  if (cached?.key === key) return cached.lags;
  let ends = endsOf.get(partition);
  if (ends === undefined) endsOf.set(partition, (ends = endSteps(broker, partition)));
  const widthNs = niceAtLeast(((view.until - view.from) * BIN_PX) / (width - GUTTER_PX));
  const first = Math.floor(view.from / widthNs);
  const bins = { widthNs, first, count: Math.floor(view.until / widthNs) - first + 1 };
  const curves = partition.readers
    .filter((series) => countsForLag(broker, series))
    .map((series) => ({
      consumer: series.consumer,
      lags: lagBins(broker, series, ends, bins),
    }));
  let highest = 0;
  for (const { lags } of curves) for (const lag of lags) if (lag > highest) highest = lag;
  const lags = { ...bins, curves, highest };
  lagsOf.set(partition, { key, lags });
  return lags;
}

// Logarithmic, with a place for nothing: up to date and far behind are seen alike.
function shareOf(lag: number, high: number): number {
  return Math.log10(1 + lag) / Math.log10(1 + high);
}

export const lag: Panel = {
  id: 'lag',
  bands: true,
  scroll: lagStrips.scroll,
  height: ({ broker }) => lagStrips.height(broker),
  draw(frame) {
    const { broker } = frame.data;
    if (broker === undefined) return;
    if (broker.partitions.length === 0) drawWhyEmpty(frame, 'nobody read anything');
    const strips = lagStrips.inSight(broker, frame);
    const high = Math.max(9, ...strips.map((strip) => stripLags(frame, broker, strip).highest));
    for (const strip of strips) {
      const lags = stripLags(frame, broker, strip);
      const powers = [0, 10, 100, 1_000, 10_000, 100_000, 1e6, 1e7].filter((line) => line <= high);
      // In a low strip every second, counted from the highest.
      const every = (powers.length - 1) * TICK_PX > strip.height ? 2 : 1;
      const lines = powers
        .filter((_, i) => (powers.length - 1 - i) % every === 0)
        .map((line) => ({ text: line.toLocaleString('en-US'), share: shareOf(line, high) }));
      drawStripGround(frame, strip, lines);
      inPlot(frame, () => {
        for (const { consumer, lags: curve } of lags.curves) {
          const color = frame.theme.color(consumerColor(broker, consumer));
          frame.ctx.globalAlpha = 0.85;
          drawCurve(frame, lags, curve, (value) => yIn(strip, shareOf(value, high)), color, 1.25);
          frame.ctx.globalAlpha = 1;
        }
      });
      drawStripName(frame, strip);
    }
  },
  hit(x, y, frame): Hit | undefined {
    const { broker } = frame.data;
    const strip = broker && lagStrips.at(broker, y);
    if (broker === undefined || strip === undefined || x < GUTTER_PX) return undefined;
    const { widthNs, first, curves } = stripLags(frame, broker, strip);
    const bin = Math.floor(timeAt(frame.view, frame.width, x) / widthNs) - first;
    const behind = curves
      .map(({ consumer, lags }) => ({ consumer, lag: lags[bin] ?? Number.NaN }))
      .filter((each) => !Number.isNaN(each.lag))
      .sort((a, b) => b.lag - a.lag);
    const lines = behind
      .slice(0, LISTED_MAX)
      .map((each) => `${broker.consumerName(each.consumer)}: ${each.lag.toLocaleString('en-US')}`);
    if (behind.length > LISTED_MAX) lines.push(`and ${behind.length - LISTED_MAX} less far behind`);
    if (behind.length === 0) lines.push('nobody reads it');
    const at = Number((((first + bin) * widthNs) / 1e9).toFixed(6));
    const title = `${strip.partition.key}, messages behind, ${at} s, for ${msLabel(widthNs / 1e6)}`;
    return withFault(x, frame, { title, lines });
  },
};

function withFault(x: number, frame: Frame, hit: Hit): Hit {
  const fault = faultHit(x, frame);
  if (fault === undefined) return hit;
  hit.lines.push(fault.title);
  if (fault.fault !== undefined) hit.fault = fault.fault;
  return hit;
}

export const unseen: Panel = {
  id: 'unseen',
  bands: true,
  height: ({ broker }) => (broker === undefined ? 0 : UNSEEN_PX),
  draw(frame) {
    const { broker } = frame.data;
    if (broker === undefined) return;
    const { unseen: steps, unreadTimes } = broker;
    if (broker.partitions.length === 0) drawWhyEmpty(frame, 'no message was acknowledged');
    const high = Math.max(4, highestIn(frame, steps)) * 1.08;
    const y = (count: number): number => EDGE_PX + (1 - count / high) * (UNSEEN_PX - EDGE_PX - 4);
    for (const tick of ticks(0, high, 4)) {
      if (Number.isInteger(tick)) gridLine(frame, tick.toLocaleString('en-US'), y(tick));
    }
    const never: Steps = { t: unreadTimes, value: unreadTimes.map((_, i) => i + 1) };
    inPlot(frame, () => {
      drawArea(frame, steps, y, 'unseen', 0.22);
      if (unreadTimes.length > 0) drawArea(frame, never, y, 'invalid', 0.35);
    });
  },
  hit(x, _y, frame): Hit | undefined {
    const { broker } = frame.data;
    if (broker === undefined || x < GUTTER_PX) return undefined;
    const time = timeAt(frame.view, frame.width, x);
    const count = (steps: Steps): number => valueAt(steps, time) || 0;
    const listed = broker.partitions
      .map(({ key, unseen: own }) => ({ key, count: count(own) }))
      .filter((each) => each.count > 0)
      .sort((a, b) => b.count - a.count);
    const lines = listed.slice(0, LISTED_MAX).map((each) => `${each.key}: ${each.count}`);
    if (listed.length > LISTED_MAX) lines.push(`and ${listed.length - LISTED_MAX} partitions more`);
    const never = lowerBoundIn(broker.unreadTimes, time + 0.5);
    if (never > 0) lines.push(`${never} of them were never read`);
    const title = `${count(broker.unseen)} acknowledged and unread at ${(time / 1e9).toFixed(3)} s`;
    return withFault(x, frame, { title, lines });
  },
};

function highestIn({ view }: Frame, { t, value }: Steps): number {
  let highest = 0;
  const begin = Math.max(0, lowerBoundIn(t, view.from) - 1);
  for (let i = begin; i < t.length && t[i]! <= view.until; i++) {
    if (value[i]! > highest) highest = value[i]!;
  }
  return highest;
}

// Of the steps within a pixel the highest is drawn.
function drawArea(
  frame: Frame,
  { t, value }: Steps,
  y: (count: number) => number,
  color: string,
  alpha: number,
): void {
  const { ctx, theme, view, width } = frame;
  const line = new Path2D();
  const begin = Math.max(0, lowerBoundIn(t, view.from) - 1);
  let x = t.length > 0 && t[begin]! < view.from ? GUTTER_PX - 2 : xOf(frame, t[begin] ?? 0);
  const left = x;
  line.moveTo(x, y(0));
  for (let i = begin; i < t.length && t[i]! <= view.until; ) {
    let highest = value[i]!;
    let next = i + 1;
    while (next < t.length && xOf(frame, t[next]!) - x < 1) {
      highest = Math.max(highest, value[next]!);
      next++;
    }
    line.lineTo(x, y(highest));
    // What it comes to within this pixel is what stands until the next one.
    line.lineTo(x, y(value[next - 1]!));
    x = next < t.length ? Math.min(width + 2, xOf(frame, t[next]!)) : width + 2;
    line.lineTo(x, y(value[next - 1]!));
    i = next;
  }
  const area = new Path2D(line);
  area.lineTo(x, y(0));
  area.lineTo(left, y(0));
  ctx.fillStyle = theme.tint(color, alpha);
  ctx.fill(area);
  ctx.strokeStyle = theme.color(color);
  ctx.lineWidth = 1.5;
  ctx.stroke(line);
}
