// The simulator as a kind of cluster. It is not booted node by node like the others: the whole run, the
// harness included, takes place inside it (run.ts).
import type { ClusterDriver } from '../../cluster.ts';
import { SIM_FAULTS } from './cluster.ts';

export const simDriver: ClusterDriver = {
  kind: 'sim',
  description: 'a deterministic simulation in one process, in virtual time, replayed from its seed',
  supports: SIM_FAULTS,
  available: () => Promise.resolve({ ok: true }),
  create: () =>
    Promise.reject(
      new Error('the sim cluster runs a whole run at once: use `chaos run --cluster sim`'),
    ),
  clean: () => Promise.resolve([]),
};
