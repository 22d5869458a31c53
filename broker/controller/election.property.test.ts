import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BrokerInfo, NO_LEADER } from '../contract.ts';
import type { StoredState } from '../metadata/znodes.ts';
import {
  type Electorate,
  firstState,
  nextState,
  SPOILED,
  stateWithout,
  stateWithPreferred,
} from './election.ts';

const IDS = [1, 2, 3, 4];
const EPOCHS = [10, 20];

/** Brokers that are live, each registered as recorded or anew. */
const brokers = fc
  .tuple(
    ...IDS.map((id) =>
      fc
        .option(fc.record({ epoch: fc.constantFrom(...EPOCHS), lossy: fc.boolean() }))
        .map((info): BrokerInfo | null => info && { id, endpoints: {}, ...info }),
    ),
  )
  .map((all) => new Map(all.flatMap((each) => (each === null ? [] : [[each.id, each] as const]))));

const electorate: fc.Arbitrary<Electorate> = fc.record({
  brokers,
  leaving: fc.subarray(IDS).map((ids) => new Set(ids)),
  controllerEpoch: fc.constant(9),
  minInsyncReplicas: fc.integer({ min: 1, max: 3 }),
  uncleanElection: fc.boolean(),
});

const REPLICAS = [2, 1, 3];

const before: fc.Arbitrary<StoredState> = fc
  .record({
    members: fc.shuffledSubarray(REPLICAS, { minLength: 1 }),
    cut: fc.nat(),
    led: fc.boolean(),
    spoiled: fc.subarray(REPLICAS),
  })
  .map(({ members, cut, led, spoiled }) => {
    const isr = members.slice(0, 1 + (cut % members.length));
    const leader = led ? (isr[0] as number) : NO_LEADER;
    const epochOf = (id: number) => (spoiled.includes(id) && id !== leader ? SPOILED : 10);
    return {
      topicId: '0'.repeat(32),
      leader,
      leaderEpoch: 5,
      isr,
      eligible: members.slice(isr.length),
      brokerEpochs: Object.fromEntries(members.map((id) => [id, epochOf(id)])),
      controllerEpoch: 8,
      version: 3,
    };
  });

const spoiled = (state: StoredState, { brokers: live }: Electorate, id: number) => {
  const recorded = state.brokerEpochs[id];
  const now = live.get(id);
  return recorded === SPOILED || (now?.lossy === true && now.epoch !== recorded);
};

describe('elections', () => {
  it('keep every rule of a state, whatever lives', () => {
    fc.assert(
      fc.property(before, electorate, (state, given) => {
        const decision = nextState(REPLICAS, state, given);
        if (decision === undefined) return;
        const after = decision.state;
        const members = [...after.isr, ...after.eligible];
        expect(after.isr.length).toBeGreaterThan(0);
        expect(new Set(members).size).toBe(members.length);
        expect(members.every((id) => REPLICAS.includes(id))).toBe(true);
        expect(members.every((id) => after.brokerEpochs[id] !== undefined)).toBe(true);
        expect(after.controllerEpoch).toBe(9);
        if (after.leader === NO_LEADER) {
          expect(after.isr).toEqual(state.isr);
        } else {
          expect(after.isr).toContain(after.leader);
          expect(after.isr.every((id) => given.brokers.has(id))).toBe(true);
          expect(after.brokerEpochs[after.leader]).toBe(given.brokers.get(after.leader)?.epoch);
          if (after.isr.length >= given.minInsyncReplicas) expect(after.eligible).toEqual([]);
        }
        const moved =
          after.leader !== state.leader ||
          after.brokerEpochs[after.leader] !== state.brokerEpochs[after.leader];
        expect(after.leaderEpoch).toBe(state.leaderEpoch + (moved ? 1 : 0));
      }),
      { numRuns: 2000 },
    );
  });

  it('end: what was decided needs no other decision', () => {
    fc.assert(
      fc.property(before, electorate, (state, given) => {
        const decision = nextState(REPLICAS, state, given);
        if (decision === undefined) return;
        const after = { ...decision.state, version: state.version + 1 };
        expect(nextState(REPLICAS, after, given)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it('choose whoever has all that was committed, and else nobody but where that is allowed', () => {
    fc.assert(
      fc.property(before, electorate, (state, given) => {
        const decision = nextState(REPLICAS, state, given);
        const leader = decision?.state.leader ?? state.leader;
        const whole = (ids: readonly number[]) =>
          ids.filter((id) => given.brokers.has(id) && !spoiled(state, given, id));
        const complete = [...whole(state.isr), ...whole(state.eligible)];
        if (decision?.unclean === true) {
          expect(given.uncleanElection).toBe(true);
          expect(complete).toEqual([]);
        } else if (complete.length > 0) {
          expect(complete).toContain(leader);
          // A replica out of sync leads only when none in sync can.
          if (whole(state.isr).length > 0) expect(whole(state.isr)).toContain(leader);
        } else if (leader !== NO_LEADER) {
          // Nobody whole is left to wait for: then it is one of the ISR.
          const all = [...state.isr, ...state.eligible];
          expect(all.every((id) => spoiled(state, given, id))).toBe(true);
          expect(state.isr).toContain(leader);
          expect(decision?.state.isr).toEqual([leader]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('hand over and prefer only within the ISR, and move nobody else', () => {
    fc.assert(
      fc.property(before, electorate, (state, given) => {
        const handed = stateWithout(2, REPLICAS, state, given);
        if (handed !== undefined) {
          expect(handed.isr).not.toContain(2);
          expect(state.isr).toContain(handed.leader);
          expect(handed.leader === state.leader).toBe(state.leader !== 2);
        }
        const preferred = stateWithPreferred(REPLICAS, state, given);
        if (preferred === undefined) return;
        expect(preferred.leader).toBe(2);
        expect(preferred.isr).toEqual(state.isr);
        expect(preferred.leaderEpoch).toBe(state.leaderEpoch + 1);
      }),
      { numRuns: 2000 },
    );
  });
});

const live = (...infos: [number, number, boolean?][]) =>
  new Map(infos.map(([id, epoch, lossy = false]) => [id, { id, epoch, endpoints: {}, lossy }]));
const with_ = (map: Map<number, BrokerInfo>): Electorate => ({
  brokers: map,
  leaving: new Set(),
  controllerEpoch: 9,
  minInsyncReplicas: 2,
  uncleanElection: false,
});
const stored = (leader: number, isr: number[], eligible: number[] = []): StoredState => ({
  topicId: '0'.repeat(32),
  leader,
  leaderEpoch: 5,
  isr,
  eligible,
  brokerEpochs: { 1: 10, 2: 10, 3: 10 },
  controllerEpoch: 8,
  version: 3,
});

describe('published losses', () => {
  it('last replica standing: one that may have lost records does not lead before an eligible one (KIP-966)', () => {
    const alone = stored(1, [1], [3]);
    const down = nextState(REPLICAS, alone, with_(live([2, 10])))?.state;
    expect(down).toMatchObject({ leader: NO_LEADER, isr: [1], eligible: [3] });
    const waits = { ...alone, ...down, version: 4 };
    const back = nextState(REPLICAS, waits, with_(live([1, 20, true], [2, 10])))?.state;
    expect(back).toMatchObject({ leader: NO_LEADER, brokerEpochs: { 1: SPOILED, 3: 10 } });
    // A clean restart after that does not make it whole.
    const still = { ...waits, ...back, version: 5 };
    expect(nextState(REPLICAS, still, with_(live([1, 30], [2, 10])))).toBeUndefined();
    const elected = nextState(REPLICAS, still, with_(live([1, 30], [2, 10], [3, 40])))?.state;
    expect(elected).toMatchObject({ leader: 3, isr: [3], eligible: [] });
  });

  it('a leader that restarted between two looks begins a new epoch (KIP-380)', () => {
    const alone = nextState([1], stored(1, [1]), with_(live([1, 20])))?.state;
    expect(alone).toMatchObject({ leader: 1, leaderEpoch: 6, brokerEpochs: { 1: 20 } });
    const moved = nextState(REPLICAS, stored(1, [1, 3]), with_(live([1, 20], [3, 10])))?.state;
    expect(moved).toMatchObject({ leader: 3, leaderEpoch: 6, isr: [1, 3] });
  });

  it('the first leader is the first that lives', () => {
    const given = with_(live([1, 10], [3, 10]));
    expect(firstState('0'.repeat(32), REPLICAS, given)).toMatchObject({ leader: 1, isr: [1, 3] });
    expect(firstState('0'.repeat(32), [2], given)).toBeUndefined();
  });
});
