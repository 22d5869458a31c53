/// <reference lib="dom" />
// Panels of one strip per partition, one below the other: names, scales and scrolling the same in all, so
// that the same partition is found at the same place of each.
import { groupsOf } from '../broker-page.ts';
import { SERIES_COLORS } from '../page-data.ts';
import type { BrokerData, PartitionData } from './broker-data.ts';
import { type Frame, GUTTER_PX, gridLine, type Scroll, ticks } from './panel.ts';

const GAP_PX = 12;
const EDGE_PX = 5;
const TICK_PX = 34;
const HEIGHT_PX_MAX = 560;

/** A strip on the canvas: where it is, and its vertical scale. */
export interface Strip {
  partition: PartitionData;
  top: number;
  height: number;
}

/** How high a strip is: few get more. */
function stripPx(count: number, tallest: number): number {
  return count <= 4 ? tallest : Math.max(56, Math.round(tallest * (count <= 8 ? 0.7 : 0.55)));
}

/** The strips of a panel. `tallest`: px of one where there are few. */
export class Strips {
  readonly scroll: Scroll = { top: 0, height: 0, heightMax: HEIGHT_PX_MAX };
  readonly #tallest: number;

  constructor(tallest: number) {
    this.#tallest = tallest;
  }

  #px(broker: BrokerData): number {
    return stripPx(broker.partitions.length, this.#tallest) + GAP_PX;
  }

  height(broker: BrokerData | undefined): number {
    return broker === undefined ? 0 : Math.max(30, broker.partitions.length * this.#px(broker));
  }

  /** Where a partition's strip begins, px below the panel's beginning; undefined: it has none. */
  topOf(broker: BrokerData, key: string): number | undefined {
    const index = broker.partitions.findIndex((partition) => partition.key === key);
    return index === -1 ? undefined : index * this.#px(broker);
  }

  /** Those in sight. */
  inSight(broker: BrokerData, frame: Frame): Strip[] {
    const px = this.#px(broker);
    return broker.partitions
      .map((partition, i) => ({ partition, top: i * px - this.scroll.top, height: px - GAP_PX }))
      .filter(({ top, height }) => top + height > 0 && top < frame.height);
  }

  at(broker: BrokerData, y: number): Strip | undefined {
    const px = this.#px(broker);
    const index = Math.floor((y + this.scroll.top) / px);
    const partition = broker.partitions[index];
    if (partition === undefined) return undefined;
    return { partition, top: index * px - this.scroll.top, height: px - GAP_PX };
  }
}

/** Vertical pixel of a share of the strip's scale, 0 at its foot. */
export function yIn({ top, height }: Strip, share: number): number {
  return top + EDGE_PX + (1 - share) * (height - 2 * EDGE_PX);
}

/** The strip's foot, its grid, and its name over everything. */
export function drawStripGround(
  frame: Frame,
  strip: Strip,
  lines: readonly { text: string; share: number }[],
): void {
  const { ctx, theme, width } = frame;
  for (const { text, share } of lines) gridLine(frame, text, yIn(strip, share));
  ctx.fillStyle = theme.color('line');
  ctx.fillRect(0, Math.round(strip.top + strip.height + GAP_PX / 2), width, 1);
}

/** The partition's name in its strip, on a ground of its own so that curves do not cross it. */
export function drawStripName(frame: Frame, { partition, top }: Strip): void {
  const { ctx, theme } = frame;
  ctx.font = `600 12px ${theme.font}`;
  const wide = ctx.measureText(partition.key).width;
  ctx.fillStyle = theme.tint('card', 0.82);
  ctx.fillRect(GUTTER_PX + 3, top + 3, wide + 10, 18);
  ctx.fillStyle = theme.color('ink');
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  ctx.fillText(partition.key, GUTTER_PX + 8, top + 12.5);
}

/** Round numbers of a linear scale, as lines. */
export function linearLines(
  low: number,
  high: number,
  heightPx: number,
): { text: string; share: number }[] {
  const round = ticks(low, high, Math.max(1, Math.floor(heightPx / TICK_PX)));
  return [...new Set(round.map(Math.round))]
    .filter((tick) => tick >= low && tick <= high)
    .map((tick) => ({ text: tick.toLocaleString('en-US'), share: (tick - low) / (high - low) }));
}

/** Says in an empty panel why it is. */
export function drawWhyEmpty({ ctx, theme, width }: Frame, why: string): void {
  ctx.font = `12px ${theme.font}`;
  ctx.fillStyle = theme.color('soft');
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.fillText(why, GUTTER_PX + (width - GUTTER_PX) / 2, 15);
}

/** The colour of a consumer: a process keeps its own in all panels, a group has the one of its place. */
export function consumerColor(broker: BrokerData, consumer: number): string {
  const { process, group = '' } = broker.meta.consumers[consumer] ?? {};
  const place = process ?? groupsOf(broker.meta).indexOf(group);
  return `s${Math.max(0, place) % SERIES_COLORS}`;
}
