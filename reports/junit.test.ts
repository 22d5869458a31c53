// JUnit XML: well-formed whatever the run says, and no unknown that looks like success.
import { describe, expect, it } from 'vitest';
import { renderJunit } from './junit.ts';
import { hostileRun, synthesiseRun } from './testing.ts';
import { parseXml as parse } from './testing-xml.ts';

const CASE = 'testsuites/testsuite/testcase';

describe('renderJunit', () => {
  it('has a case per guarantee', () => {
    const xml = renderJunit(synthesiseRun({ ops: 300 }));
    const elements = parse(xml);
    expect(elements.filter((path) => path === CASE)).toHaveLength(4);
    expect(elements.some((path) => /failure|error|skipped/.test(path))).toBe(false);
    expect(xml).toContain('tests="4" failures="0" errors="0" skipped="0" time="74.000"');
  });

  it('makes invalid a failure that tells its anomalies', () => {
    const run = synthesiseRun({ ops: 300, outcome: 'invalid' });
    const xml = renderJunit(run);
    expect(parse(xml)).toContain(`${CASE}/failure`);
    expect(xml).toContain('failures="1" errors="0"');
    expect(xml).toContain('a contradiction');
    expect(xml).toContain(`reproduce: ${run.info.reproduce}`);
  });

  it('makes unknown, interrupted and judged by nobody an error, never a skip', () => {
    const unknown = synthesiseRun({ ops: 300, outcome: 'unknown' });
    expect(parse(renderJunit(unknown))).toContain(`${CASE}/error`);
    expect(renderJunit(unknown)).toContain('failures="0" errors="1" skipped="0"');
    const interrupted = synthesiseRun({ ops: 300 });
    interrupted.info.ended = 'interrupted';
    expect(renderJunit(interrupted)).toContain('errors="1"');
    const unjudged = synthesiseRun({ ops: 300 });
    unjudged.results.verdicts = [];
    expect(renderJunit(unjudged)).toContain('tests="1" failures="0" errors="1"');
  });

  it('is well-formed for a hostile run', () => {
    expect(parse(renderJunit(hostileRun()))).toContain(`${CASE}/failure`);
  });
});
