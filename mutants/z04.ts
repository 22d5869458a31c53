// Z04: acceptedEpoch is kept in memory and never written. After a restart the server accepts an epoch
// that another leader already has.
import type { Mutant } from './mutant.ts';

export const z04: Mutant = {
  id: 'Z04',
  title: 'acceptedEpoch is not persisted',
  source: 'ZOOKEEPER-1291, ZOOKEEPER-2307',
  guarantee: 'an epoch is proposed by one leader only; acceptedEpoch never goes back',
  seenBy: ['election'],
  masks:
    'the check at start that currentEpoch is not above acceptedEpoch, and that the log is not; patched too',
  witness: 'test/mutant-witnesses.test.ts',
  patches: [
    {
      file: 'coordinator/storage/epochs.ts',
      find: `    this.#write(ACCEPTED, epoch);
`,
      replace: '',
    },
    {
      file: 'coordinator/storage/epochs.ts',
      find: '    if (current > (accepted ?? 0)) {',
      replace: '    if (current < 0) {',
    },
    {
      file: 'coordinator/storage/epochs.ts',
      find: 'if (epoch < this.#current || epoch > this.#accepted) {',
      replace: 'if (epoch < this.#current) {',
    },
    {
      file: 'coordinator/storage/recovery.ts',
      find: '  if (loggedIn <= current && epoch <= accepted) {',
      replace: '  if (loggedIn <= current) {',
    },
  ],
};
