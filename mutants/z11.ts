// Z11: a learner acknowledges NEWLEADER before it has logged what the synchronisation brought; it logs it
// at UPTODATE. Until then the quorum that the leader counts on exists in memory only.
import type { Mutant } from './mutant.ts';

export const z11: Mutant = {
  id: 'Z11',
  title: 'NEWLEADER is acknowledged before the synchronised transactions are logged',
  source: 'ZOOKEEPER-3911',
  guarantee: 'an established leader rests on logs that a quorum has on disk',
  seenBy: ['log', 'synchronisation', 'election', 'no-rollback'],
  masks: 'the check that the log ends where NEWLEADER says; patched too',
  witness: 'scenarios/mutants/Z11.json',
  patches: [
    {
      file: 'coordinator/zab/learner.ts',
      find: `        if (this.#phase === 'persisting') {`,
      replace: `        if (this.#phase !== 'acked' && this.#phase !== 'serving') {`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: 'if (epoch !== this.#epoch || recent.last !== zxid) {',
      replace: 'if (epoch !== this.#epoch || recent.last > zxid) {',
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `    this.#heard();
    const held = this.#held;
    this.#held = [];
    this.#log(held);
`,
      replace: `    this.#heard();
`,
    },
    {
      file: 'coordinator/zab/learner.ts',
      find: `if (this.#phase !== 'acked') throw new Error(\`UPTODATE in phase \${this.#phase}\`);`,
      replace: `if (this.#phase !== 'acked') throw new Error(\`UPTODATE in phase \${this.#phase}\`);
    this.#log(this.#held.splice(0));`,
    },
  ],
};
