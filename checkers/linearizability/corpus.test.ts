// The labelled histories that Porcupine's and Knossos' authors recorded: every verdict must be theirs.
// The files are not ours to copy, so they are read from the folder beside the repository, if present.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { pairOps } from '../../history/op.ts';
import { type HistoryFormat, parseHistory } from './formats.ts';
import { type HistoryModel, judgeHistory } from './judge-history.ts';

interface Labelled {
  file: string;
  format: string;
  model: string;
  linearizable: boolean;
}

const corpus = fileURLToPath(new URL('../../../shared/corpus/', import.meta.url));
const manifest = `${corpus}manifest.json`;
const labelled: Labelled[] = existsSync(manifest)
  ? (JSON.parse(readFileSync(manifest, 'utf8')) as Labelled[])
  : [];

const FORMAT: Record<string, HistoryFormat> = {
  'jepsen-log': 'jepsen-log',
  'knossos-edn': 'jepsen-edn',
};

function known({ format, model }: Labelled): { format: HistoryFormat; model: HistoryModel } | null {
  const ours = FORMAT[format];
  if (ours === undefined) return null;
  if (model.includes('cas-register')) return { format: ours, model: 'cas-register' };
  return model.startsWith('mutex') ? { format: ours, model: 'mutex' } : null;
}

const files = labelled.filter((entry) => known(entry) !== null);

describe.skipIf(labelled.length === 0)(
  labelled.length === 0 ? `labelled histories (skipped: no ${manifest})` : 'labelled histories',
  () => {
    test('both sets are there, with both verdicts', () => {
      const seen = files.map(({ format, linearizable }) => `${format} ${linearizable}`);
      expect(new Set(seen).size).toBe(4);
    });

    test.each(files)('$file is linearizable: $linearizable', (entry) => {
      const { format, model } = known(entry) as NonNullable<ReturnType<typeof known>>;
      const ops = pairOps(parseHistory(readFileSync(corpus + entry.file, 'utf8'), format));
      const verdict = judgeHistory(ops, { format, model });
      expect(verdict.outcome).toBe(entry.linearizable ? 'valid' : 'invalid');
      expect(verdict.anomalies.length).toBe(entry.linearizable ? 0 : 1);
    });
  },
);
