// Z35: The new names of the epoch files are not fsynced. After a power loss a server may have forgotten the
// epoch that it promised or holds. Their content is, for an empty file would only keep it from starting.
import type { Mutant } from './mutant.ts';

export const z35: Mutant = {
  id: 'Z35',
  title: 'the renames of acceptedEpoch and currentEpoch are not fsynced',
  source: 'NATS 2.9, termVote written asynchronously',
  guarantee: 'what a server said of its epochs outlives a power loss',
  seenBy: ['election'],
  masks:
    'a log that has transactions of the epoch contradicts the files, and the server does ' +
    'not start; not patched, as it comes too late',
  witness: 'test/witnesses/storage.test.ts',
  patches: [
    {
      file: 'coordinator/storage/epochs.ts',
      find: `    replaceFile(path.join(this.#dir, name), content);
`,
      replace: `    const file = path.join(this.#dir, name);
    const fd = fs.openSync(file + '.tmp', 'w');
    fs.writeSync(fd, content, 0, content.length, 0);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.renameSync(file + '.tmp', file);
`,
    },
  ],
};
