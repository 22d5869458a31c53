// What operations tell of messages, with answers known by hand: who stood where, what nobody had read.
import { describe, expect, it } from 'vitest';
import type { Placed, Rebalance } from '../../history/messages.ts';
import { OpScript } from '../testing-broker.ts';
import { type MessageFlow, messageFlow, summed } from './message-flow.ts';

const P = 't-0';

/** `101 read 3-5`: who did what, without times and operations. */
function told({ marks, consumers }: MessageFlow, key = P): string[] {
  return marks
    .filter((mark) => mark.key === key)
    .map(({ kind, consumer, first, last, t }) => {
      const { process, group } = consumers[consumer ?? -1] ?? {};
      const who = consumer === undefined ? '' : `${process ?? ''}${group ?? ''} `;
      return `${t} ${who}${kind} ${first}${last === first ? '' : `-${last}`}`;
    });
}

function placed(...offsets: number[]): Placed[] {
  return offsets.map((offset) => [offset, 100 + offset]);
}

describe('messageFlow', () => {
  it('tells acknowledged offsets, and says nothing of sends that were not', () => {
    const script = new OpScript();
    script.send([0, 5], 1, P, placed(0, 1, 2));
    // Another producer's message stands between the two.
    script.send([6, 8], 1, P, placed(3, 5));
    script.op([9, 12], 1, 'send', 'fail', { key: P, given: { values: [7] } });
    script.op([13, 15], 1, 'send', 'info', { key: P, given: { values: [8] } });
    script.op([16, 17], 2, 'write', 'ok', { key: '/r', given: 3, got: 3 });
    const flow = messageFlow(script.ops());
    expect(told(flow)).toEqual(['5 send 0-2', '8 send 3', '8 send 5']);
    expect(flow.keys).toEqual([P]);
    expect(flow.marks.map(({ op }) => op)).toEqual([0, 1, 1]);
  });

  it('shows a consumer that skips, one that is rewound, and one that goes on where it was', () => {
    const script = new OpScript();
    script.assign([0, 1], 1, [P]);
    script.poll([2, 3], 1, { [P]: placed(0, 1, 4) });
    script.assign([4, 5], 1, [P], 'beginning');
    script.poll([6, 7], 1, { [P]: placed(0) });
    script.assign([8, 9], 1, ['t-1']);
    script.assign([10, 11], 1, [P, 't-1']);
    script.poll([12, 13], 1, {});
    expect(told(messageFlow(script.ops()))).toEqual([
      '1 1 start 0',
      '3 1 read 0-1',
      '3 1 read 4',
      '5 1 end 5',
      '5 1 start 0',
      '7 1 read 0',
      '9 1 end 1',
      '11 1 start 1',
      '13 1 end 1',
    ]);
  });

  it('ends what a process reads when nobody knows the outcome of its operation', () => {
    const script = new OpScript();
    script.assign([0, 1], 1, [P]);
    script.op([2, 9], 1, 'poll', 'info');
    script.assign([3, 4], 2, [P]);
    script.op([5], 2, 'poll', 'info');
    expect(told(messageFlow(script.ops()))).toEqual([
      '1 1 start 0',
      '9 1 end 0',
      '4 2 start 0',
      '5 2 end 0',
    ]);
  });

  it('follows the members of a group through rebalances, and the group by its commits', () => {
    const script = new OpScript();
    const share = (generation: number, assigned: string[], committed = {}): Rebalance => {
      return { group: 'g', generation, member: 'm', assigned, revoked: [], committed };
    };
    const subscribed = { topics: ['t'], group: 'g' };
    script.op([0, 1], 1, 'subscribe', 'ok', { given: subscribed });
    script.poll([2, 3], 1, { [P]: placed(0, 1) }, [share(1, [P, 't-1'])]);
    const commit = { group: 'g', generation: 1, member: 'm', offsets: { [P]: 2 } };
    script.op([4, 5], 1, 'commit', 'ok', { got: commit });
    script.op([4, 6], 2, 'subscribe', 'ok', { given: subscribed });
    script.poll([7, 8], 1, {}, [share(2, ['t-1'])]);
    script.poll([7, 9], 2, { [P]: placed(2) }, [share(2, [P], { [P]: 2 })]);
    script.op([10, 11], 2, 'leave', 'ok');
    expect(told(messageFlow(script.ops()))).toEqual([
      '3 1g start 0',
      '3 1g read 0-1',
      '8 1g end 2',
      '3 g commit 0',
      '5 g commit 2',
      '9 2g start 2',
      '9 2g read 2',
      '11 2g end 3',
    ]);
  });

  it('counts what is acknowledged and not yet read, and names what never is', () => {
    const script = new OpScript();
    script.assign([0, 1], 2, [P]);
    script.send([1, 5], 1, P, placed(0, 1));
    // Quicker than its acknowledgement, so it never was unseen.
    script.poll([2, 4], 2, { [P]: placed(0) });
    script.send([6, 7], 1, P, placed(2));
    script.poll([8, 9], 2, { [P]: placed(1) });
    // What a poll got that nobody knows the outcome of counts as shown, but not as read.
    script.op([10, 12], 2, 'poll', 'info', { got: { records: { [P]: placed(2) } } });
    const { unseen, unread, marks } = messageFlow(script.ops());
    expect(unseen.get(P)).toEqual([
      { t: 5, value: 1 },
      { t: 7, value: 2 },
      { t: 9, value: 1 },
    ]);
    expect(unread).toEqual([{ value: 102, key: P, offset: 2, op: 3, t: 7 }]);
    expect(marks.some(({ kind, first }) => kind === 'read' && first === 2)).toBe(true);
  });

  it('orders partitions by number', () => {
    const script = new OpScript();
    for (const [i, key] of ['t-10', 't-9', 's-1'].entries()) {
      script.send([i * 2, i * 2 + 1], 1, key, placed(0));
    }
    expect(messageFlow(script.ops()).keys).toEqual(['s-1', 't-9', 't-10']);
  });
});

describe('summed', () => {
  it('adds up what happens at one moment', () => {
    const changes = [
      { t: 4, value: -1 },
      { t: 2, value: 1 },
      { t: 4, value: 2 },
    ];
    expect(summed(changes)).toEqual([
      { t: 2, value: 1 },
      { t: 4, value: 2 },
    ]);
  });
});
