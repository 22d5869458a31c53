// One body of cases against Node's own modules and against the simulated ones: what passes on both may
// be relied on in both. The simulated side runs with several seeds, as its chunks and delays differ.
import { beforeAll, describe, expect, it } from 'vitest';
import { netCases } from './conformance/net.ts';
import { timerCases } from './conformance/timers.ts';
import { loadProgram, type Program, simulate } from './index.ts';

const SEEDS = [1, 2, 3, 4, 5];

type Cases = Record<string, () => Promise<void>>;

function conformance(name: string, file: string, cases: Cases, exported: string): void {
  describe(name, () => {
    let program: Program;
    beforeAll(async () => {
      const path = new URL(file, import.meta.url).pathname;
      const source = `
        import { ${exported} as cases } from ${JSON.stringify(path)};
        await cases[process.argv[2] as string]!();
      `;
      program = await loadProgram({ source, file: `${path}.run.ts` });
    });

    for (const title of Object.keys(cases)) {
      it(`Node: ${title}`, () => cases[title]!());

      it(`simulated: ${title}`, async () => {
        for (const seed of SEEDS) {
          const sim = simulate({ seed, processes: { n1: { program, argv: [title] } } });
          sim.start();
          const process = sim.process('n1');
          await sim.runUntil(() => !process.running);
          expect(process.output().join('\n')).toBe('');
          // It came to its end, and nothing that it left open kept it from ending.
          expect(process.exits).toMatchObject([{ code: 0 }]);
        }
      });
    }
  });
}

conformance('net', './conformance/net.ts', netCases, 'netCases');
conformance('timers', './conformance/timers.ts', timerCases, 'timerCases');
