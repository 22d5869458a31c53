// The page as text: the verdict is in it, it is small, and nothing of the run gets out of its quotes.
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { FinishedRun } from '../../history/run-record.ts';
import { hostileRun, synthesiseRun } from '../testing.ts';
import { decodeTable } from './columns.ts';
import type { PageMeta } from './page-data.ts';
import { renderHtml } from './render.ts';

function embedded(page: string) {
  const base64 = /id="run-data">([A-Za-z0-9+/=]+)<\/script>/.exec(page)?.[1] ?? '';
  return decodeTable<PageMeta>(gunzipSync(Buffer.from(base64, 'base64')));
}

describe('renderHtml', () => {
  it('says the verdict, the guarantees, the seed and the command without its script', () => {
    for (const outcome of ['valid', 'invalid', 'unknown'] as const) {
      const run = synthesiseRun({ ops: 800, outcome, seed: 4711 });
      const text = renderHtml(run).replace(/<(script|style)[\s\S]*?<\/\1>/g, '');
      expect(text).toContain(`</span>${outcome.toUpperCase()}</h1>`);
      for (const verdict of run.results.verdicts) expect(text).toContain(verdict.guarantee);
      expect(text).toContain('--seed 4711');
      expect(text.includes('Anomalies')).toBe(outcome === 'invalid');
      expect(text.includes('The event log of n2 has a gap')).toBe(outcome === 'unknown');
    }
  });

  it('stays under 20 MB with 200,000 operations, all of them inside', () => {
    const page = renderHtml(synthesiseRun({ ops: 200_000, outcome: 'invalid' }));
    expect(Buffer.byteLength(page)).toBeLessThan(20e6);
    expect(embedded(page).numbers.invoke).toHaveLength(200_000);
  });

  it('names no address anywhere', () => {
    const page = renderHtml(synthesiseRun({ ops: 100 }));
    expect(page).not.toMatch(/https?:|\bsrc=|<link|@import|url\(/);
  });

  it('lets no text of the run become markup', () => {
    const page = renderHtml(hostileRun());
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page.match(/<\/script/g)).toHaveLength(2);
    expect(page).not.toContain('<img');
    expect(page).toContain('&lt;img src=x');
    const { meta } = embedded(page);
    expect(JSON.stringify(meta)).toContain('<img src=x');
  });

  it('renders a run in which nothing happened', () => {
    const empty: FinishedRun = synthesiseRun({ ops: 0 });
    empty.record = { ...empty.record, history: [], ops: [], faults: [], nodeEvents: [] };
    empty.results = {
      ...empty.results,
      outcome: 'unknown',
      verdicts: [],
      recoveryMs: { p50: null, max: null, each: [] },
    };
    const page = renderHtml(empty);
    expect(page).toContain('No guarantee was judged.');
    expect(page).toContain('No fault was injected.');
  });
});
