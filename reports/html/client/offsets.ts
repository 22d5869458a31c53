/// <reference lib="dom" />
// Offset against time, a strip per partition: what was acknowledged, where each consumer stood, and the high
// watermark. A consumer that is stuck leaves the diagonal, one that was rewound falls, a log that was cut too.
import { type BrokerData, lowerBoundIn, type Series, valueAt } from './broker-data.ts';
import {
  type Frame,
  faultHit,
  GUTTER_PX,
  type Hit,
  inPlot,
  type Panel,
  timeAt,
  xOf,
} from './panel.ts';
import { opHit } from './scatter.ts';
import {
  consumerColor,
  drawStripGround,
  drawStripName,
  drawWhyEmpty,
  linearLines,
  type Strip,
  Strips,
  yIn,
} from './strips.ts';

const REACH_PX = 9;
const DIMMED = 0.16;
const NO_MESSAGES = 'no message was acknowledged or read';

export const offsetStrips = new Strips(128);

/** The vertical scale of a strip: offsets that something in view has. */
interface Scale {
  low: number;
  high: number;
}

export const offsets: Panel = {
  id: 'offsets',
  bands: true,
  scroll: offsetStrips.scroll,
  height: ({ broker }) => offsetStrips.height(broker),
  draw(frame) {
    const { broker } = frame.data;
    if (broker === undefined) return;
    if (broker.partitions.length === 0) drawWhyEmpty(frame, NO_MESSAGES);
    for (const strip of offsetStrips.inSight(broker, frame)) {
      const scale = scaleOf(frame, broker, strip);
      drawStripGround(frame, strip, linearLines(scale.low, scale.high, strip.height));
      inPlot(frame, () => drawStrip(frame, broker, strip, scale));
      drawStripName(frame, strip);
    }
  },
  hit(x, y, frame): Hit | undefined {
    const { broker } = frame.data;
    const strip = broker && offsetStrips.at(broker, y);
    if (broker === undefined || strip === undefined || x < GUTTER_PX) return undefined;
    const mark = nearest(frame, broker, strip, x, y);
    return mark === undefined ? standing(frame, broker, strip, x) : markHit(frame, broker, mark);
  },
};

// Rows of a series in view, and the one before, which says where it stood.
function rowsInView(
  { view }: Frame,
  broker: BrokerData,
  { from, until }: Series,
): [number, number] {
  const begin = lowerBoundIn(broker.t, view.from, from, until);
  return [Math.max(from, begin - 1), lowerBoundIn(broker.t, view.until + 1, from, until)];
}

function scaleOf(frame: Frame, broker: BrokerData, { partition }: Strip): Scale {
  const { view } = frame;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  const add = (offset: number): void => {
    if (offset < low) low = offset;
    if (offset > high) high = offset;
  };
  for (const series of [partition.sends, ...partition.readers]) {
    const [from, until] = rowsInView(frame, broker, series);
    for (let row = from; row < until; row++) {
      const kind = broker.kindOf(row);
      if (kind === 'commit') continue;
      if (broker.t[row]! >= view.from) {
        add(broker.first[row]!);
        add(broker.last[row]!);
      } else if (kind === 'read') add(broker.last[row]! + 1);
      else if (kind === 'start') add(broker.first[row]!);
    }
  }
  for (const time of [view.from, view.until]) {
    const watermark = valueAt(partition.watermark, time);
    if (!Number.isNaN(watermark)) add(watermark);
  }
  for (const cut of partition.cuts) if (cut.t >= view.from && cut.t <= view.until) add(cut.to);
  if (high < low) return { low: 0, high: 10 };
  const room = Math.max(3, (high - low) * 0.04);
  return { low: Math.max(low - room, Math.min(low, -0.02 * high)), high: high + room };
}

function drawStrip(frame: Frame, broker: BrokerData, strip: Strip, scale: Scale): void {
  const { ctx, theme, view } = frame;
  const { partition } = strip;
  const y = (offset: number): number => yIn(strip, (offset - scale.low) / (scale.high - scale.low));
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER_PX, strip.top, frame.width - GUTTER_PX, strip.height);
  ctx.clip();
  const dimmed = view.highlight === undefined ? 1 : DIMMED;
  ctx.globalAlpha = dimmed;
  // The diagonal is what was acknowledged; consumers are seen where they leave it.
  for (const series of partition.readers) drawReader(frame, broker, series, y);
  drawSends(frame, broker, partition.sends, y);
  drawWatermark(frame, strip, y);
  ctx.globalAlpha = 1;
  for (const { t, to } of partition.cuts) drawCut(frame, xOf(frame, t), y(to));
  for (const { t, offset } of partition.unread) {
    const x = xOf(frame, t);
    if (x < GUTTER_PX - 4 || x > frame.width + 4) continue;
    ctx.fillStyle = theme.color('invalid');
    ctx.beginPath();
    ctx.arc(x, y(offset), 3.2, 0, 2 * Math.PI);
    ctx.fill();
  }
  drawPicked(frame, broker, strip, y);
  ctx.restore();
}

function drawSends(
  frame: Frame,
  broker: BrokerData,
  series: Series,
  y: (offset: number) => number,
): void {
  const { ctx, theme } = frame;
  const [from, until] = rowsInView(frame, broker, series);
  ctx.fillStyle = theme.outcomes.ok;
  const many = until - from > 1_500;
  for (let row = from; row < until; row++) {
    const x = xOf(frame, broker.t[row]!);
    const [top, foot] = [y(broker.last[row]!), y(broker.first[row]!)];
    if (many) ctx.fillRect(x - 1, top - 1, 2, foot - top + 2);
    else {
      ctx.beginPath();
      ctx.roundRect(x - 2, top - 2, 4, foot - top + 4, 2);
      ctx.fill();
    }
  }
}

function drawWatermark(frame: Frame, { partition }: Strip, y: (offset: number) => number): void {
  const { ctx, theme, view, width } = frame;
  const { t, value } = partition.watermark;
  if (t.length === 0) return;
  ctx.strokeStyle = theme.tint('ink', 0.6);
  ctx.lineWidth = 1;
  ctx.beginPath();
  const begin = Math.max(0, lowerBoundIn(t, view.from) - 1);
  let drawn = Number.NEGATIVE_INFINITY;
  for (let i = begin; i < t.length && t[i]! <= view.until; i++) {
    const x = xOf(frame, t[i]!);
    const next = value[i]!;
    // Rises within a pixel are one; a fall is always drawn.
    if (i > begin && x - drawn < 0.7 && next >= value[i - 1]!) continue;
    if (i > begin) ctx.lineTo(x, y(value[i - 1]!));
    ctx.lineTo(x, y(next));
    drawn = x;
  }
  const last = valueAt(partition.watermark, view.until);
  if (!Number.isNaN(last)) ctx.lineTo(width, y(last));
  ctx.stroke();
}

/** Thin where it stands, and where it jumps; thick where it got messages. */
function drawReader(
  frame: Frame,
  broker: BrokerData,
  series: Series,
  y: (offset: number) => number,
): void {
  const { ctx, theme } = frame;
  const color = theme.color(consumerColor(broker, series.consumer));
  const [from, until] = rowsInView(frame, broker, series);
  const line = new Path2D();
  const got = new Path2D();
  let position: number | undefined;
  for (let row = from; row < until; row++) {
    const kind = broker.kindOf(row);
    if (kind === 'commit') continue;
    const x = xOf(frame, broker.t[row]!);
    const first = broker.first[row]!;
    if (kind === 'start' || (kind === 'read' && position === undefined)) line.moveTo(x, y(first));
    else line.lineTo(x, y(position ?? first));
    if (kind === 'read') {
      const last = broker.last[row]!;
      line.lineTo(x, y(first));
      line.moveTo(x, y(last + 1));
      got.moveTo(x, y(first) + 1);
      got.lineTo(x, y(last + 1) - 1);
    }
    position = kind === 'end' ? undefined : kind === 'read' ? broker.last[row]! + 1 : first;
  }
  if (position !== undefined) line.lineTo(frame.width, y(position));
  ctx.strokeStyle = color;
  ctx.lineJoin = 'round';
  ctx.lineWidth = 1;
  ctx.stroke(line);
  ctx.lineWidth = 2.25;
  ctx.stroke(got);
}

function drawCut({ ctx, theme }: Frame, x: number, y: number): void {
  ctx.fillStyle = theme.color('fail');
  ctx.beginPath();
  ctx.moveTo(x, y + 1);
  ctx.lineTo(x - 5, y - 8);
  ctx.lineTo(x + 5, y - 8);
  ctx.closePath();
  ctx.fill();
}

/** Marks of the operations that an anomaly names, and the one picked, in full and ringed. */
function drawPicked(
  frame: Frame,
  broker: BrokerData,
  { partition }: Strip,
  y: (offset: number) => number,
): void {
  const { ctx, data, view, theme } = frame;
  const rows = new Set(view.highlight ?? []);
  if (view.picked.row !== undefined) rows.add(view.picked.row);
  if (rows.size === 0) return;
  const ids = new Set([...rows].slice(0, 500).map((row) => data.number('id', row)));
  const picked = view.picked.row === undefined ? undefined : data.number('id', view.picked.row);
  for (const series of [partition.sends, ...partition.readers]) {
    const [from, until] = rowsInView(frame, broker, series);
    for (let row = from; row < until; row++) {
      const kind = broker.kindOf(row);
      if (!ids.has(broker.op[row]!) || (kind !== 'send' && kind !== 'read')) continue;
      const x = xOf(frame, broker.t[row]!);
      const [top, foot] = [y(broker.last[row]!), y(broker.first[row]!)];
      const name = kind === 'send' ? undefined : consumerColor(broker, series.consumer);
      ctx.fillStyle = name === undefined ? theme.outcomes.ok : theme.color(name);
      ctx.fillRect(x - 2, top - 2, 4, foot - top + 4);
      ctx.beginPath();
      ctx.roundRect(x - 5.5, top - 5.5, 11, foot - top + 11, 5.5);
      ctx.lineWidth = broker.op[row] === picked ? 2.5 : 1.5;
      ctx.strokeStyle = theme.color('ink');
      ctx.stroke();
    }
  }
}

interface Found {
  row: number;
  series: Series;
}

function nearest(
  frame: Frame,
  broker: BrokerData,
  strip: Strip,
  x: number,
  y: number,
): Found | undefined {
  const scale = scaleOf(frame, broker, strip);
  const yOf = (offset: number): number =>
    yIn(strip, (offset - scale.low) / (scale.high - scale.low));
  const [from, until] = [x - REACH_PX, x + REACH_PX].map((px) =>
    timeAt(frame.view, frame.width, px),
  ) as [number, number];
  let best: Found | undefined;
  let bestDistance = REACH_PX ** 2;
  for (const series of [strip.partition.sends, ...strip.partition.readers]) {
    let row = lowerBoundIn(broker.t, from, series.from, series.until);
    for (; row < series.until && broker.t[row]! <= until; row++) {
      const kind = broker.kindOf(row);
      if (kind !== 'send' && kind !== 'read') continue;
      const dx = xOf(frame, broker.t[row]!) - x;
      const dy = Math.max(yOf(broker.last[row]!) - y, 0, y - yOf(broker.first[row]!));
      const distance = dx * dx + dy * dy;
      if (distance < bestDistance) [best, bestDistance] = [{ row, series }, distance];
    }
  }
  return best;
}

function markHit({ data }: Frame, broker: BrokerData, { row, series }: Found): Hit {
  const [first, last] = [broker.first[row]!, broker.last[row]!];
  const range = first === last ? `offset ${first}` : `offsets ${first}–${last}`;
  const did =
    series.consumer === -1 ? 'acknowledged' : `read by ${broker.consumerName(series.consumer)}`;
  const title = `${range} ${did}`;
  const opRow = data.rowOfId(broker.op[row]!);
  if (opRow === undefined) {
    const id = `operation #${broker.op[row]} is in history.jsonl, thinned out of this page`;
    return { title, lines: [id] };
  }
  const op = opHit(data, opRow);
  return { row: opRow, title, lines: [op.title, ...op.lines] };
}

/** Where everything stood at a moment. */
function standing(frame: Frame, broker: BrokerData, strip: Strip, x: number): Hit {
  const time = timeAt(frame.view, frame.width, x);
  const { partition } = strip;
  const lines: string[] = [];
  const watermark = valueAt(partition.watermark, time);
  if (!Number.isNaN(watermark)) lines.push(`high watermark ${watermark}`);
  for (const series of partition.readers) {
    const row = lowerBoundIn(broker.t, time + 0.5, series.from, series.until) - 1;
    if (row < series.from || broker.kindOf(row) === 'end' || lines.length > 12) continue;
    const read = broker.kindOf(row) === 'read';
    const position = read ? broker.last[row]! + 1 : broker.first[row]!;
    const verb = broker.kindOf(row) === 'commit' ? 'committed' : 'stands at';
    lines.push(`${broker.consumerName(series.consumer)} ${verb} ${position}`);
  }
  for (const cut of partition.cuts) {
    if (Math.abs(xOf(frame, cut.t) - x) < REACH_PX) {
      lines.push(`${cut.node} cut its log back to ${cut.to} at ${(cut.t / 1e9).toFixed(3)} s`);
    }
  }
  const fault = faultHit(x, frame);
  if (fault !== undefined) lines.push(fault.title);
  const hit: Hit = { title: `${partition.key} at ${(time / 1e9).toFixed(3)} s`, lines };
  if (fault?.fault !== undefined) hit.fault = fault.fault;
  return hit;
}
