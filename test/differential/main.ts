// The differential test at length: `node test/differential/main.ts [OPERATIONS] [SEED]`. Prints every kind
// of difference once, with how often it came, and exits 1 if there was any.
import { compare } from './compare.ts';

const [operations = '100000', seed = '1'] = process.argv.slice(2);
const kinds = new Map<string, number>();

const show = (value: unknown): string =>
  JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString(16) : v)).slice(0, 500);

const result = await compare(Number(seed), Number(operations), (found) => {
  const { round, step, operation, difference, answers, before } = found;
  const kind = `${operation.split(' ')[0]} ${difference.replaceAll(/\/r\d+[^"]*|\d{3,}/g, '…')}`;
  const times = (kinds.get(kind) ?? 0) + 1;
  kinds.set(kind, times);
  if (times > 1) return;
  console.log(`round ${round} step ${step}: ${operation}\n    ${difference}`);
  console.log(`    ours   ${show(answers[0])}\n    theirs ${show(answers[1])}`);
  const path = /"[^"]*":"(\/r[^"]*)"/.exec(operation)?.[1] ?? '';
  const watching = before.filter((each) => /atch/.test(each) && each.includes(`"${path}"`));
  for (const each of watching.filter((each) => !/^. get|exists/.test(each)).slice(-12))
    console.log(`      ${each}`);
});
console.log(`\n${result.operations} operations, ${result.events} notifications`);
console.table(result.byName);
for (const [kind, times] of [...kinds].sort((a, b) => b[1] - a[1]))
  console.log(`${times} × ${kind}`);
process.exitCode = result.differences.length > 0 ? 1 : 0;
