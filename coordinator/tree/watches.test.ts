import { describe, expect, it } from 'vitest';
import { EventType } from '../protocol/codes.ts';
import type { WatcherEvent } from '../protocol/records.ts';
import type { DataTree } from './data-tree.ts';
import { type Ask, ask, part, SoloLeader } from './testing.ts';
import type { Watcher } from './watches.ts';

const NAMES = new Map<number, string>(Object.entries(EventType).map(([name, n]) => [n, name]));
const told = (event: WatcherEvent) => `${NAMES.get(event.type)} ${event.path}`;

class Ear implements Watcher {
  readonly heard: string[] = [];
  readonly zxids: number[] = [];
  onEvent: (() => void) | undefined;

  notify(event: WatcherEvent, zxid: number): void {
    this.heard.push(told(event));
    this.zxids.push(zxid);
    this.onEvent?.();
  }
}

type Watch = (tree: DataTree, ear: Ear) => void;
const data =
  (path: string): Watch =>
  (tree, ear) =>
    void tree.getData(path, ear);
const exists =
  (path: string): Watch =>
  (tree, ear) =>
    void tree.exists(path, ear);
const children =
  (path: string): Watch =>
  (tree, ear) =>
    void tree.getChildren(path, ear);

// The tree has /a, /a/b. Each row: watches, a change, and what is heard, in order.
const TABLE: [string, Watch[], Ask, string[]][] = [
  ['data, set', [data('/a')], ask.setData('/a', 'x'), ['dataChanged /a']],
  ['data, child created', [data('/a')], ask.create('/a/c'), []],
  ['data, deleted', [data('/a/b')], ask.delete('/a/b'), ['deleted /a/b']],
  ['data, set fails', [data('/a')], ask.setData('/a', 'x', 9), []],
  ['data twice', [data('/a'), data('/a')], ask.setData('/a', 'x'), ['dataChanged /a']],
  ['exists, created', [exists('/n')], ask.create('/n'), ['created /n']],
  ['exists, set', [exists('/a')], ask.setData('/a', 'x'), ['dataChanged /a']],
  ['exists, deleted', [exists('/a/b')], ask.delete('/a/b'), ['deleted /a/b']],
  ['exists and data', [exists('/a'), data('/a')], ask.setData('/a', ''), ['dataChanged /a']],
  ['children, created', [children('/a')], ask.create('/a/c'), ['childrenChanged /a']],
  ['children, deleted', [children('/a')], ask.delete('/a/b'), ['childrenChanged /a']],
  ['children, child set', [children('/a')], ask.setData('/a/b', 'x'), []],
  ['children, itself set', [children('/a')], ask.setData('/a', 'x'), []],
  ['children, itself deleted', [children('/a/b')], ask.delete('/a/b'), ['deleted /a/b']],
  ['children of the root', [children('/')], ask.create('/n'), ['childrenChanged /']],
  ['grandchild', [children('/')], ask.create('/a/c'), []],
  [
    'data and children, deleted: once',
    [data('/a/b'), children('/a/b')],
    ask.delete('/a/b'),
    ['deleted /a/b'],
  ],
  [
    'node and parent',
    [exists('/a/c'), children('/a')],
    ask.create('/a/c'),
    ['created /a/c', 'childrenChanged /a'],
  ],
  [
    'node, its children and parent, deleted',
    [children('/a'), children('/a/b'), exists('/a/b')],
    ask.delete('/a/b'),
    ['deleted /a/b', 'childrenChanged /a'],
  ],
  [
    'a multi fires in the order of its parts, each watch once',
    [children('/a'), data('/a'), exists('/a/c')],
    ask.multi(part.create('/a/c'), part.setData('/a', 'x'), part.delete('/a/c')),
    ['created /a/c', 'childrenChanged /a', 'dataChanged /a'],
  ],
  [
    'a failed multi fires nothing',
    [children('/a'), data('/a')],
    ask.multi(part.create('/a/c'), part.setData('/a', 'x'), part.check('/a', 9)),
    [],
  ],
];

function leaderWithNodes(): { leader: SoloLeader; session: number } {
  const leader = new SoloLeader();
  const session = leader.open();
  leader.run(ask.create('/a'), session);
  leader.run(ask.create('/a/b'), session);
  return { leader, session };
}

describe('watches', () => {
  it.each(TABLE)('%s', (_, watches, change, expected) => {
    const { leader, session } = leaderWithNodes();
    const ear = new Ear();
    for (const set of watches) set(leader.tree, ear);
    const set = leader.tree.watches.size;
    const { zxid } = leader.run(change, session);
    expect(ear.heard).toEqual(expected);
    expect(ear.zxids.every((z) => z === zxid)).toBe(true);
    if (expected.length === 0) expect(leader.tree.watches.size).toBe(set);
    else expect(leader.tree.watches.size).toBe(0);
  });

  it('fire once', () => {
    const { leader, session } = leaderWithNodes();
    const ear = new Ear();
    leader.tree.getData('/a', ear);
    leader.run(ask.setData('/a', '1'), session);
    leader.run(ask.setData('/a', '2'), session);
    expect(ear.heard).toEqual(['dataChanged /a']);
  });

  it('fire for every watcher, and for the ephemerals a close removes', () => {
    const { leader } = leaderWithNodes();
    const owner = leader.open();
    leader.run(ask.create('/a/e', '', { flags: 1 }), owner);
    const [one, two] = [new Ear(), new Ear()];
    for (const ear of [one, two]) {
      leader.tree.exists('/a/e', ear);
      leader.tree.getChildren('/a', ear);
    }
    leader.run(ask.closeSession(), owner);
    for (const ear of [one, two]) expect(ear.heard).toEqual(['deleted /a/e', 'childrenChanged /a']);
  });

  it('are heard only once the whole multi is in the tree', () => {
    const { leader, session } = leaderWithNodes();
    const ear = new Ear();
    const seen: unknown[] = [];
    ear.onEvent = () => {
      const read = leader.tree.getData('/a');
      seen.push(read.ok && read.data?.toString(), leader.tree.exists('/z').ok);
    };
    leader.tree.exists('/n', ear);
    leader.run(ask.multi(part.create('/n'), part.setData('/a', 'new'), part.create('/z')), session);
    expect(seen).toEqual(['new', true]);
  });

  it('go with their watcher', () => {
    const { leader, session } = leaderWithNodes();
    const [one, two] = [new Ear(), new Ear()];
    for (const ear of [one, two]) {
      leader.tree.getData('/a', ear);
      leader.tree.getChildren('/a', ear);
    }
    const { watches } = leader.tree;
    expect([watches.size, watches.watcherCount, watches.pathCount]).toEqual([4, 2, 2]);
    watches.removeWatcher(one);
    expect([watches.size, watches.watcherCount]).toEqual([2, 1]);
    expect(watches.remove('children', '/a', two)).toBe(true);
    expect(watches.remove('children', '/a', two)).toBe(false);
    expect([watches.has('data', '/a', two), watches.has('data', '/a', one)]).toEqual([true, false]);
    leader.run(ask.setData('/a', 'x'), session);
    expect([one.heard, two.heard]).toEqual([[], ['dataChanged /a']]);
  });

  it('come back by setWatches, with what was missed', () => {
    const { leader, session } = leaderWithNodes();
    leader.run(ask.create('/data'), session);
    leader.run(ask.create('/children'), session);
    const relativeZxid = leader.tree.lastApplied;
    leader.run(ask.setData('/data', 'x'), session);
    leader.run(ask.create('/children/c'), session);
    leader.run(ask.setData('/a', 'x'), session);
    leader.run(ask.create('/n'), session);
    leader.run(ask.delete('/a/b'), session);
    const ear = new Ear();
    const missed = leader.tree.setWatches(
      {
        relativeZxid,
        dataWatches: ['/a', '/a/b', '/children'],
        existWatches: ['/n', '/m'],
        childWatches: ['/a', '/a/b', '/data'],
      },
      ear,
    );
    expect(missed.map(told)).toEqual([
      'dataChanged /a',
      'deleted /a/b',
      'created /n',
      'childrenChanged /a',
      'deleted /a/b',
    ]);
    expect(leader.tree.watches.size).toBe(3);
    leader.run(ask.create('/m'), session);
    leader.run(ask.create('/data/x'), session);
    leader.run(ask.setData('/children', 'x'), session);
    expect(ear.heard).toEqual(['created /m', 'childrenChanged /data', 'dataChanged /children']);
  });

  it.each([
    ['persistent', ask.setData('/a', 'x'), ['dataChanged /a']],
    ['persistent', ask.create('/a/c'), ['childrenChanged /a']],
    ['persistent', ask.delete('/a/b'), ['childrenChanged /a']],
    ['persistent', ask.setData('/a/b', 'x'), []],
    ['recursive', ask.setData('/a', 'x'), ['dataChanged /a']],
    ['recursive', ask.create('/a/c'), ['created /a/c']],
    ['recursive', ask.setData('/a/b', 'x'), ['dataChanged /a/b']],
    ['recursive', ask.delete('/a/b'), ['deleted /a/b']],
    ['recursive', ask.create('/n'), []],
  ] as const)('that last, %s: tell each time', (mode, change, expected) => {
    const { leader, session } = leaderWithNodes();
    const ear = new Ear();
    leader.tree.watches.addLasting(mode, '/a', ear);
    leader.run(change, session);
    expect(ear.heard).toEqual(expected);
    expect(leader.tree.watches.size).toBe(2);
    ear.heard.length = 0;
    leader.run(ask.setData('/a', 'again'), session);
    expect(ear.heard).toEqual(['dataChanged /a']);
  });

  it('that last tell of a deletion once, and of what is created in its place', () => {
    const { leader, session } = leaderWithNodes();
    for (const mode of ['persistent', 'recursive'] as const) {
      const ear = new Ear();
      leader.tree.watches.addLasting(mode, '/a/b', ear);
      leader.run(ask.delete('/a/b'), session);
      leader.run(ask.create('/a/b'), session);
      expect(ear.heard).toEqual(['deleted /a/b', 'created /a/b']);
      leader.tree.watches.removeWatcher(ear);
    }
    const everything = new Ear();
    leader.tree.watches.addLasting('recursive', '/', everything);
    leader.run(ask.multi(part.create('/x'), part.create('/x/y'), part.delete('/a/b')), session);
    expect(everything.heard).toEqual(['created /x', 'created /x/y', 'deleted /a/b']);
  });

  it('of several modes on one path are told once, and only the standard one is spent', () => {
    const { leader, session } = leaderWithNodes();
    const { watches } = leader.tree;
    const ear = new Ear();
    for (const mode of ['persistent', 'recursive'] as const) watches.addLasting(mode, '/a', ear);
    leader.tree.getData('/a', ear);
    leader.run(ask.setData('/a', 'x'), session);
    leader.run(ask.setData('/a', 'y'), session);
    leader.run(ask.create('/a/c'), session);
    expect(ear.heard).toEqual([
      'dataChanged /a',
      'dataChanged /a',
      'created /a/c',
      'childrenChanged /a',
    ]);
    expect(watches.remove('data', '/a', ear)).toBe(true);
    ear.heard.length = 0;
    leader.run(ask.setData('/a', 'z'), session);
    leader.run(ask.create('/a/d'), session);
    expect(ear.heard).toEqual(['childrenChanged /a']);
    watches.removeWatcher(ear);
    expect([watches.size, watches.pathCount, watches.watcherCount]).toEqual([0, 0, 0]);
  });

  it('cover a path by a watch on it or a recursive one above', () => {
    const { leader } = leaderWithNodes();
    const { watches } = leader.tree;
    const [one, two] = [new Ear(), new Ear()];
    watches.add('data', '/a', one);
    watches.addLasting('recursive', '/x', one);
    watches.addLasting('persistent', '/y', one);
    const covered = (path: string, ear = one) =>
      (['data', 'children'] as const).filter((kind) => watches.covers(kind, path, ear));
    expect(covered('/a')).toEqual(['data']);
    expect(covered('/a/b')).toEqual([]);
    expect(covered('/x')).toEqual(['data', 'children']);
    expect(covered('/x/deep/down')).toEqual(['data', 'children']);
    expect(covered('/y/z')).toEqual([]);
    expect(covered('/')).toEqual([]);
    expect(covered('/a', two)).toEqual([]);
    watches.remove('data', '/x', one);
    expect(covered('/x/deep/down')).toEqual(['children']);
  });

  it('come back by setWatches2, lasting ones without what was missed', () => {
    const { leader, session } = leaderWithNodes();
    const relativeZxid = leader.tree.lastApplied;
    leader.run(ask.setData('/a', 'x'), session);
    const ear = new Ear();
    const lists = { dataWatches: ['/a'], existWatches: [], childWatches: [] };
    const lasting = { persistentWatches: ['/a'], persistentRecursiveWatches: ['/a/b', '/gone'] };
    const missed = leader.tree.setWatches({ relativeZxid, ...lists, ...lasting }, ear);
    expect(missed.map(told)).toEqual(['dataChanged /a']);
    leader.run(ask.create('/a/b/c'), session);
    leader.run(ask.setData('/a', 'y'), session);
    leader.run(ask.create('/gone'), session);
    expect(ear.heard).toEqual(['created /a/b/c', 'dataChanged /a', 'created /gone']);
  });

  it('are told with the access list of the node concerned', () => {
    const { leader, session } = leaderWithNodes();
    const perms: (number | undefined)[] = [];
    const ear: Watcher = { notify: (_, __, acl) => void perms.push(acl?.worldPerms) };
    const acl = [{ perms: 4, scheme: 'world', id: 'anyone' }];
    leader.tree.watches.addLasting('recursive', '/', ear);
    leader.tree.watches.addLasting('persistent', '/a', ear);
    leader.run(ask.create('/a/c', '', { acl }), session);
    leader.run(ask.delete('/a/c'), session);
    expect(perms).toEqual([4, 31, 4, 31]);
  });
});
