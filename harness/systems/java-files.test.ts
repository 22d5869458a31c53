// What a Java needs of this machine, on a virtual machine laid out as Debian lays it out, of binaries that
// any Linux has; and on the real one where there is one.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { javaFiles } from './java-files.ts';

const LIBRARIES = ['server/libjvm', 'libjava', 'libjimage', 'libnet', 'libnio', 'libzip'];
const root = mkdtempSync(join(tmpdir(), 'chaos-java-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A home of Java with its configuration in `etc`, and a link to its binary; without one library. */
function layOut(name: string, without?: string): { home: string; etc: string; link: string } {
  const [home, etc] = [join(root, name, 'jvm'), join(root, name, 'etc')];
  for (const folder of [etc, join(home, 'bin'), join(home, 'lib', 'server')]) {
    mkdirSync(folder, { recursive: true });
  }
  cpSync('/bin/ls', join(home, 'bin', 'java'));
  for (const library of LIBRARIES) {
    if (library !== without) cpSync('/bin/ls', join(home, 'lib', `${library}.so`));
  }
  writeFileSync(join(etc, 'jvm-any.cfg'), '-server KNOWN\n');
  symlinkSync(join(etc, 'jvm-any.cfg'), join(home, 'lib', 'jvm.cfg'));
  const link = join(root, name, 'java');
  symlinkSync(join(home, 'bin', 'java'), link);
  return { home, etc, link };
}

describe.skipIf(process.platform !== 'linux')('javaFiles', () => {
  it('finds the home behind the link, its configuration behind links, and its libraries', () => {
    const { home, etc, link } = layOut('whole');
    const { binary, needed } = javaFiles(link);
    expect(binary).toBe(join(home, 'bin', 'java'));
    expect(needed.slice(0, 2)).toEqual([home, etc]);
    const libraries = needed.slice(2);
    expect(libraries.some((file) => /\/libc\.so\.\d+$/.test(file))).toBe(true);
    expect(libraries.some((file) => /\/ld-[^/]*\.so\.\d+$/.test(file))).toBe(true);
    for (const file of libraries) expect(existsSync(file)).toBe(true);
    expect(new Set(needed).size).toBe(needed.length);
  });

  it('says what is missing and how to get it', () => {
    const { link } = layOut('torn', 'server/libjvm');
    expect(() => javaFiles(link)).toThrow(/there is no .*libjvm\.so; install one \(apt-get/);
  });
});
