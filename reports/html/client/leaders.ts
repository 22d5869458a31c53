/// <reference lib="dom" />
// Lanes of who was the controller, who led each partition, and who was in its ISR. A colour per broker, so
// that the eye follows a leadership from one to the next without reading.
import type { BrokerLanes, ControllerSpan, LeaderSpan, PartitionLane } from '../broker-lanes.ts';
import { SERIES_COLORS } from '../page-data.ts';
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
import { drawWhyEmpty } from './strips.ts';
import { rgb } from './theme.ts';

const TOP_PX = 4;
const BAR_PX = 17;
const REPLICA_PX = 5;
const GAP_PX = 10;
const DARK = '#10131a';
const BRIGHT = '#fff';

export const leadersScroll: Scroll = { top: 0, height: 0, heightMax: 520 };

function lanePx(lane: PartitionLane): number {
  return BAR_PX + 2 + lane.replicas.length * REPLICA_PX + GAP_PX;
}

/** Each lane's place, below the controller's. */
function placesOf({ partitions }: BrokerLanes): { lane: PartitionLane; top: number }[] {
  let top = TOP_PX + BAR_PX + GAP_PX;
  return partitions.map((lane) => {
    const place = { lane, top };
    top += lanePx(lane);
    return place;
  });
}

/** Where a partition's lane begins, px below the panel's beginning. */
export function laneTop(lanes: BrokerLanes, key: string): number | undefined {
  return placesOf(lanes).find(({ lane }) => lane.key === key)?.top;
}

export const leaders: Panel = {
  id: 'leaders',
  bands: true,
  scroll: leadersScroll,
  height({ meta: { broker } }) {
    if (broker === undefined) return 0;
    const { partitions } = broker.lanes;
    return TOP_PX + BAR_PX + GAP_PX + partitions.reduce((sum, lane) => sum + lanePx(lane), 0);
  },
  draw(frame) {
    const { lanes, notes } = frame.data.meta.broker ?? {};
    if (lanes === undefined) return;
    if (lanes.brokers.length === 0) {
      drawWhyEmpty(frame, notes?.leaders ?? 'no broker said that it started');
      return;
    }
    const top = TOP_PX - leadersScroll.top;
    gutterLabel(frame, 'controller', top + BAR_PX / 2);
    inPlot(frame, () => {
      drawNobody(frame, 0, frame.data.meta.until, top, '');
      for (const span of lanes.controllers) drawController(frame, lanes, span, top);
    });
    for (const place of placesOf(lanes)) {
      const { lane } = place;
      const laneTopPx = place.top - leadersScroll.top;
      if (laneTopPx > frame.height || laneTopPx + lanePx(lane) < 0) continue;
      gutterLabel(frame, lane.key, laneTopPx + BAR_PX / 2);
      inPlot(frame, () => drawLane(frame, lanes, lane, laneTopPx));
    }
  },
  hit(x, y, frame): Hit | undefined {
    const { lanes } = frame.data.meta.broker ?? {};
    if (lanes === undefined || lanes.brokers.length === 0) return faultHit(x, frame);
    const at = y + leadersScroll.top;
    const place = placesOf(lanes).findLast(({ top }) => top - 2 <= at);
    const time = timeAt(frame.view, frame.width, x);
    const hit =
      place === undefined
        ? controllerHit(lanes, time)
        : laneHit(frame, lanes, place.lane, time, timeAt(frame.view, frame.width, x + 4) - time);
    if (x < GUTTER_PX) return { title: place?.lane.key ?? 'controller', lines: [] };
    const fault = faultHit(x, frame);
    if (fault === undefined) return hit;
    hit.lines.push(fault.title);
    if (fault.fault !== undefined) hit.fault = fault.fault;
    return hit;
  },
};

function nameOf(lanes: BrokerLanes, id: number): string {
  return lanes.brokers.find((broker) => broker.id === id)?.node ?? `broker ${id}`;
}

function colorOf(frame: Frame, lanes: BrokerLanes, id: number): string {
  const place = lanes.brokers.findIndex((broker) => broker.id === id);
  return frame.theme.color(`s${Math.max(0, place) % SERIES_COLORS}`);
}

function textOn(color: string): string {
  const [r, g, b] = rgb(color);
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? DARK : BRIGHT;
}

function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`;
}

interface Bar {
  from: number;
  until: number;
  top: number;
  height: number;
}

/** Left and right of a bar within the plot; undefined: out of sight. */
function edges(frame: Frame, { from, until }: Bar): [left: number, right: number] | undefined {
  const left = Math.max(GUTTER_PX, xOf(frame, from));
  const right = Math.min(frame.width, xOf(frame, until));
  return right <= left ? undefined : [left, Math.max(left + 1, right)];
}

function drawNobody(frame: Frame, from: number, until: number, top: number, text: string): void {
  const place = edges(frame, { from, until, top, height: BAR_PX });
  if (place === undefined) return;
  const { ctx, theme } = frame;
  const [left, right] = place;
  ctx.strokeStyle = theme.tint('kill', 0.8);
  ctx.setLineDash([3, 3]);
  ctx.lineWidth = 1;
  ctx.strokeRect(left + 0.5, top + 0.5, Math.max(0, right - left - 1), BAR_PX - 1);
  ctx.setLineDash([]);
  if (text !== '') label(frame, text, left, right, top + BAR_PX / 2 + 0.5, theme.color('kill'));
}

function drawBar(frame: Frame, bar: Bar, color: string, text: string): void {
  const place = edges(frame, bar);
  if (place === undefined) return;
  const [left, right] = place;
  frame.ctx.fillStyle = color;
  frame.ctx.fillRect(left, bar.top, right - left, bar.height);
  if (text !== '') label(frame, text, left, right, bar.top + bar.height / 2 + 0.5, textOn(color));
}

function drawController(
  frame: Frame,
  lanes: BrokerLanes,
  { from, until, broker, epoch }: ControllerSpan,
  top: number,
): void {
  const bar = { from, until, top, height: BAR_PX };
  const place = edges(frame, bar);
  if (place === undefined) return;
  frame.ctx.fillStyle = frame.theme.color('card');
  frame.ctx.fillRect(place[0], top, place[1] - place[0], BAR_PX);
  drawBar(frame, bar, colorOf(frame, lanes, broker), `${nameOf(lanes, broker)} · epoch ${epoch}`);
}

function drawLane(frame: Frame, lanes: BrokerLanes, lane: PartitionLane, top: number): void {
  const { ctx, theme } = frame;
  for (const [i, span] of lane.spans.entries()) {
    const { from, until, leader, epoch } = span;
    if (leader === -1) drawNobody(frame, from, until, top, 'nobody leads (-1)');
    else {
      // A change of the ISR alone is no change of the leader: one bar, one name.
      const before = lane.spans[i - 1];
      if (before?.leader === leader && before.epoch === epoch) continue;
      const last = lane.spans
        .slice(i)
        .findIndex((later) => later.leader !== leader || later.epoch !== epoch);
      const end = last === -1 ? (lane.spans.at(-1)?.until ?? until) : lane.spans[i + last]!.from;
      drawLeader(frame, lanes, span, end, top);
    }
  }
  for (const [row, replica] of lane.replicas.entries()) {
    const y = top + BAR_PX + 2 + row * REPLICA_PX;
    for (const { from, until, isr, elr = [] } of lane.spans) {
      const bar = { from, until, top: y, height: REPLICA_PX - 1.5 };
      if (isr.includes(replica)) drawBar(frame, bar, colorOf(frame, lanes, replica), '');
      else if (elr.includes(replica)) {
        ctx.globalAlpha = 0.3;
        drawBar(frame, bar, colorOf(frame, lanes, replica), '');
        ctx.globalAlpha = 1;
      }
    }
  }
  ctx.fillStyle = theme.tint('ink', 0.55);
  for (const { t } of lane.marks) ctx.fillRect(Math.round(xOf(frame, t)), top - 3, 1, 4);
}

/** A leader that is dead still stands in the partition's state: shown as what it is, a name without a broker. */
function drawLeader(
  frame: Frame,
  lanes: BrokerLanes,
  { from, leader, epoch }: LeaderSpan,
  until: number,
  top: number,
): void {
  const { ctx, theme } = frame;
  const name = `${nameOf(lanes, leader)} · epoch ${epoch}`;
  drawBar(frame, { from, until, top, height: BAR_PX }, colorOf(frame, lanes, leader), name);
  for (const down of lanes.brokers.find(({ id }) => id === leader)?.down ?? []) {
    const dead = { from: Math.max(from, down.from), until: Math.min(until, down.until) };
    const place = edges(frame, { ...dead, top, height: BAR_PX });
    if (dead.until <= dead.from || place === undefined) continue;
    ctx.fillStyle = theme.color('card');
    ctx.fillRect(place[0], top, place[1] - place[0], BAR_PX);
    ctx.globalAlpha = 0.25;
    drawBar(frame, { ...dead, top, height: BAR_PX }, colorOf(frame, lanes, leader), '');
    ctx.globalAlpha = 1;
    drawNobody(frame, dead.from, dead.until, top, `${nameOf(lanes, leader)} is down`);
  }
}

function controllerHit(lanes: BrokerLanes, time: number): Hit {
  const span = lanes.controllers.find((c) => c.from <= time && time < c.until);
  if (span === undefined) return { title: 'no controller', lines: [] };
  return {
    title: `controller ${nameOf(lanes, span.broker)}, epoch ${span.epoch}`,
    lines: [`${seconds(span.from)} – ${seconds(span.until)}`],
  };
}

function laneHit(
  { data }: Frame,
  lanes: BrokerLanes,
  lane: PartitionLane,
  time: number,
  reachNs: number,
): Hit {
  const span = lane.spans.findLast((s) => s.from <= time);
  const names = (ids: readonly number[]): string =>
    ids.length === 0 ? 'empty' : ids.map((id) => nameOf(lanes, id)).join(' ');
  if (span === undefined) return { title: `${lane.key} does not exist yet`, lines: [] };
  const { leader, epoch, isr, elr, unclean } = span;
  const lines = [`${seconds(span.from)} – ${seconds(Math.min(span.until, data.meta.until))}`];
  lines.push(`ISR ${names(isr)}`);
  if (elr !== undefined) lines.push(`may be elected besides ${names(elr)}`);
  if (unclean === true) lines.push('elected outside the ISR');
  const down = lanes.brokers
    .find(({ id }) => id === leader)
    ?.down.some(({ from, until }) => from <= time && time < until);
  if (down === true) lines.push(`${nameOf(lanes, leader)} is down`);
  for (const mark of lane.marks.filter(({ t }) => Math.abs(t - time) < reachNs).slice(0, 6)) {
    lines.push(`${seconds(mark.t)} ${mark.text}`);
  }
  const who = leader === -1 ? 'nobody leads (-1)' : `${nameOf(lanes, leader)} leads`;
  return { title: `${lane.key}: ${who}, epoch ${epoch}`, lines };
}
