// The store's page: newest first, coloured by verdict, and no folder's name gets out of its link.
import { describe, expect, it } from 'vitest';
import { renderStoreIndex } from './store-index.ts';
import { hostileRun, synthesiseRun } from './testing.ts';

describe('renderStoreIndex', () => {
  it('lists runs newest first with their verdicts', () => {
    const rows = (['valid', 'invalid'] as const).map((outcome, i) => {
      const { info, results } = synthesiseRun({ ops: 50, outcome });
      return {
        folder: `register/${i}`,
        info: { ...info, startedAt: `2026-06-0${i + 1}` },
        results,
      };
    });
    const { info } = synthesiseRun({ ops: 50 });
    const page = renderStoreIndex([...rows, { folder: 'x', info: { ...info, startedAt: '2025' } }]);
    expect([...page.matchAll(/<tr class="(\w+)">/g)].map((match) => match[1])).toEqual([
      'invalid',
      'valid',
      'unfinished',
    ]);
    expect(page).toContain('3 runs: 1 valid, 1 invalid, 0 unknown.');
    expect(page).toContain('href="./register/1/report.html"');
  });

  it('escapes', () => {
    const { info, results } = hostileRun();
    const name = '<script>';
    const row = { folder: `"><script>/javascript:x`, info, results };
    row.info.config = { ...info.config, name, nemesis: name };
    expect(renderStoreIndex([row])).not.toContain('<script>');
  });
});
