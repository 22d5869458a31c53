// `chaos check` and `chaos report`: judge and draw again what lies in the store, or judge a history that
// another tool recorded.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  FORMATS,
  HISTORY_MODELS,
  judgeHistory,
  parseHistory,
} from '../../checkers/linearizability/index.ts';
import { pairOps } from '../../history/op.ts';
import { EXIT, type Verdict } from '../../history/verdict.ts';
import { errorLine } from '../clock.ts';
import { BadArguments, lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { rejudge } from '../run.ts';
import { FILES, loadRun, resolveRun, writeWhole } from '../store.ts';
import { noRunJson, type RunJson, runJson, showEnd } from './run-command.ts';
import { Output, type Terminal } from './terminal.ts';

export interface CheckRequest {
  /** A run, or a file when a format is given. */
  given: string;
  format?: string;
  model?: string;
  json: boolean;
}

/** Judges and returns the exit code. Throws BadArguments when there is nothing to judge. */
export async function checkCommand(
  request: CheckRequest,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, request.json);
  if (request.format !== undefined || request.model !== undefined)
    return checkFile(request, output);
  if (isFile(request.given) === true) {
    throw new BadArguments(
      `${request.given} is a file: say what it is with --format ${FORMATS.join(' or ')}, ` +
        'or name the folder of a run',
    );
  }
  const dir = resolveRun(terminal.storeDir, request.given);
  try {
    const ended = await rejudge(loadRun(dir), registry);
    showEnd(ended, output, registry);
    output.object(runJson(ended));
    return ended.run.results.exit;
  } catch (error) {
    output.problem(`${dir} cannot be judged: ${errorLine(error)}`);
    output.object({ ...noRunJson(EXIT.infrastructure, undefined), run: dir });
    return EXIT.infrastructure;
  }
}

/** Whether a path is a file; undefined when there is nothing. */
function isFile(path: string): boolean | undefined {
  return statSync(path, { throwIfNoEntry: false })?.isFile();
}

function checkFile(request: CheckRequest, output: Output): number {
  const itself = (name: string) => name;
  if (request.format === undefined) {
    throw new BadArguments(`--model needs --format, one of ${FORMATS.join(', ')}`);
  }
  const format = lookUp('format', request.format, FORMATS, itself);
  const model = lookUp('model', request.model ?? 'cas-register', HISTORY_MODELS, itself);
  const file = isFile(request.given);
  if (file === undefined) throw new BadArguments(`there is no file ${request.given}`);
  if (!file) throw new BadArguments(`expected a file with --format, ${request.given} is a folder`);
  let verdict: Verdict;
  try {
    const ops = pairOps(parseHistory(readFileSync(request.given, 'utf8'), format));
    verdict = judgeHistory(ops, { model, format });
  } catch (error) {
    output.problem(`${request.given} cannot be judged: ${errorLine(error)}`);
    output.object(noRunJson(EXIT.infrastructure, undefined));
    return EXIT.infrastructure;
  }
  const exit = EXIT[verdict.outcome];
  output.line(`${verdict.outcome}: ${verdict.guarantee}`);
  const evidence = Object.entries(verdict.evidence).map(([name, count]) => `${count} ${name}`);
  output.line(evidence.join(', '));
  if (verdict.reason !== undefined) output.line(verdict.reason);
  for (const anomaly of verdict.anomalies) output.line(`${anomaly.kind}: ${anomaly.why}`);
  const { ok = 0, fail = 0, info = 0 } = verdict.evidence;
  const object: RunJson = {
    ...noRunJson(exit, undefined),
    verdict: verdict.outcome,
    run: request.given,
    ops: { ok, fail, info },
    verdicts: { [verdict.checker]: verdict.outcome },
  };
  output.object(object);
  return exit;
}

/** Draws the report of a judged run again; the verdict stays as it was. */
export function reportCommand(given: string, terminal: Terminal, registry: Registry): number {
  const output = new Output(terminal, false);
  const dir = resolveRun(terminal.storeDir, given);
  try {
    const { info, record, results } = loadRun(dir);
    if (results === undefined) {
      throw new BadArguments(`${dir} was never judged; run \`chaos check ${given}\` first`);
    }
    const path = join(dir, FILES.report);
    writeWhole(path, registry.renderHtml({ info, record, results }));
    output.line(path);
    return EXIT.valid;
  } catch (error) {
    if (error instanceof BadArguments) throw error;
    output.problem(`${dir} cannot be drawn: ${errorLine(error)}`);
    return EXIT.infrastructure;
  }
}
