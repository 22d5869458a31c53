// Where we answer otherwise than ZooKeeper 3.8.0 on purpose, each with its reason: our answer is turned
// into the one that ZooKeeper would give. What is not explained here is a difference.
import { ErrorCode, Op } from '../../coordinator/protocol/codes.ts';
import type { MultiOp, MultiResult } from '../../coordinator/protocol/multi.ts';
import type { Operation } from './operations.ts';
import type { Answer } from './pair.ts';

/** Our answer as ZooKeeper would have given it; `theirs` where it cannot be told from ours alone. */
export function asTheirs(operation: Operation, answer: Answer, theirs: Answer): Answer {
  return TURNS.reduce((turned, { turn }) => turn(operation, turned, theirs), answer);
}

interface Deviation {
  why: string;
  turn(operation: Operation, answer: Answer, theirs: Answer): Answer;
}

const TURNS: readonly Deviation[] = [
  {
    why:
      'checkWatches is answered in 3.8.0 by whether anybody watches the path itself, and never by a ' +
      'recursive watch above it; a relative path breaks it while any recursive watch is set. Ours is ' +
      'answered by whether the session would be told of a change.',
    turn({ type, body }, answer, theirs) {
      const broken = (body as { path?: string } | undefined)?.path?.startsWith('/') === false;
      const usual: unknown[] = [ErrorCode.Ok, ErrorCode.NoWatcher];
      if (broken) usual.push(ErrorCode.MarshallingError);
      const told = (err: number | undefined) => usual.includes(err);
      const both = type === Op.checkWatches && told(answer.err) && told(theirs.err);
      return both ? { ...answer, err: theirs.err } : answer;
    },
  },
  {
    why:
      '3.8.0 takes the type of a creation in a multi from its flags alone, so a create2 is answered as ' +
      'a create, without the Stat that was asked for. Ours sends it.',
    turn({ type, body }, answer) {
      if (type !== Op.multi || answer.err !== 0) return answer;
      const results = answer.body as MultiResult[];
      const turned = results.map((result, i): MultiResult => {
        const asked = (body as MultiOp[])[i];
        const plain = asked?.type === Op.create2 && asked.flags < 4;
        if (!plain || result.type !== Op.create2) return result;
        return { type: Op.create, path: result.path };
      });
      return { ...answer, body: turned };
    },
  },
];
