import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isValidPath, nameOf, parentOf, sequenceSuffix } from './paths.ts';

/** PathUtils.validatePath, name by name. */
function isValidByNames(path: string): boolean {
  if (!path.startsWith('/')) return false;
  if (path === '/') return true;
  return path
    .slice(1)
    .split('/')
    .every(
      (name) =>
        name !== '' &&
        name !== '.' &&
        name !== '..' &&
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is forbidden.
        !/[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/.test(name),
    );
}

describe('paths', () => {
  it.each(['/', '/a', '/a/b', '/...', '/.a', '/a..', '/a/..b', '/ü/日本', '/a b'])(
    'accepts %j',
    (path) => {
      expect(isValidPath(path)).toBe(true);
    },
  );
  it.each([
    '',
    'a',
    'a/b',
    '//',
    '/a/',
    '/a//b',
    '/.',
    '/..',
    '/a/./b',
    '/a/../b',
    '/a\0',
    '/a\x1f',
    '/a\x7f',
    '/a\u009f',
    '/\ue000',
    '/😀',
    '/a\ufffd',
  ])('refuses %j', (path) => {
    expect(isValidPath(path)).toBe(false);
  });
  it('agrees with the rule written name by name', () => {
    const unit = fc.constantFrom('/', '.', 'a', '\u001f', '\u0020', '\u007e', '\u00a0', '\ufff0');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 8 }), (tail) => {
        for (const path of [tail, `/${tail}`]) expect(isValidPath(path)).toBe(isValidByNames(path));
      }),
      { numRuns: 2000 },
    );
  });
  it('divides into parent and name', () => {
    expect([parentOf('/a'), nameOf('/a')]).toEqual(['/', 'a']);
    expect([parentOf('/a/b'), nameOf('/a/b')]).toEqual(['/a', 'b']);
  });
  it('pads sequence numbers as Java does, past the wrap too', () => {
    expect(sequenceSuffix(0)).toBe('0000000000');
    expect(sequenceSuffix(2147483647)).toBe('2147483647');
    expect(sequenceSuffix(-2147483648)).toBe('-2147483648');
    expect(sequenceSuffix(-7)).toBe('-000000007');
  });
});
