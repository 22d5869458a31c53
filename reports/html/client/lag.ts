// How far consumers are behind: the partition's end, as acknowledgements and polls told it, minus where the
// consumer stands. The highest of each bin, so that no peak is lost by zooming out.
import {
  type BrokerData,
  lowerBoundIn,
  type PartitionData,
  type Series,
  type Steps,
  valueAt,
} from './broker-data.ts';

/** The offset after the last message acknowledged or read by anybody, at each moment that raised it. */
export function endSteps(broker: BrokerData, partition: PartitionData): Steps {
  const moments: { t: number; end: number }[] = [];
  for (const { from, until } of [partition.sends, ...partition.readers]) {
    for (let row = from; row < until; row++) {
      const kind = broker.kindOf(row);
      if (kind === 'send' || kind === 'read') {
        moments.push({ t: broker.t[row]!, end: broker.last[row]! + 1 });
      }
    }
  }
  moments.sort((a, b) => a.t - b.t);
  const t: number[] = [];
  const value: number[] = [];
  let end = 0;
  for (const moment of moments) {
    if (moment.end <= end) continue;
    end = moment.end;
    if (t.at(-1) === moment.t) value[value.length - 1] = end;
    else {
      t.push(moment.t);
      value.push(end);
    }
  }
  return { t, value };
}

/** Whether a consumer's lag is drawn: a group is one consumer, by what it has committed, and not its members. */
export function countsForLag(broker: BrokerData, { consumer }: Series): boolean {
  const { process, group } = broker.meta.consumers[consumer] ?? {};
  return process === undefined || group === undefined;
}

/**
 * The highest lag of a consumer in each of `count` bins from bin `first` on, each `widthNs` long; NaN where it
 * did not read the partition.
 */
export function lagBins(
  broker: BrokerData,
  series: Series,
  ends: Steps,
  bins: { first: number; widthNs: number; count: number },
): Float64Array {
  const lags = new Float64Array(bins.count).fill(Number.NaN);
  const start = bins.first * bins.widthNs;
  const stop = (bins.first + bins.count) * bins.widthNs;
  // The mark before the bins says where it stood when they begin.
  const begin = lowerBoundIn(broker.t, start, series.from, series.until);
  for (let row = Math.max(series.from, begin - 1); row < series.until; row++) {
    const from = broker.t[row]!;
    if (from > stop) break;
    const kind = broker.kindOf(row);
    if (kind === 'end') continue;
    const position = kind === 'read' ? broker.last[row]! + 1 : broker.first[row]!;
    const until = row + 1 < series.until ? broker.t[row + 1]! : Number.POSITIVE_INFINITY;
    stand(lags, ends, bins, position, Math.max(from, start), Math.min(until, stop));
  }
  return lags;
}

// From one mark to the next the consumer stands still and the end only grows: the lag is highest just before
// the next mark, or at the end of each bin between.
function stand(
  lags: Float64Array,
  ends: Steps,
  { first, widthNs }: { first: number; widthNs: number },
  position: number,
  from: number,
  until: number,
): void {
  for (let bin = Math.floor(from / widthNs) - first; bin < lags.length; bin++) {
    const binStart = (first + bin) * widthNs;
    if (binStart >= until && binStart > from) break;
    const moment = Math.max(from, Math.min(until, binStart + widthNs) - 1);
    const lag = Math.max(0, (valueAt(ends, moment) || 0) - position);
    if (!(lags[bin]! >= lag)) lags[bin] = lag;
  }
}
