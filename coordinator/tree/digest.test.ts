import { describe, expect, it } from 'vitest';
import { describeAcl } from './acls.ts';
import { StateDigest } from './digest.ts';
import { ZNode } from './znode.ts';

const open = describeAcl([{ perms: 31, scheme: 'world', id: 'anyone' }]);

function digestOf(change: (node: ZNode) => void, node = plain()): string {
  change(node);
  node.rehash();
  const digest = new StateDigest();
  digest.add(node);
  return digest.hex();
}

function plain(path = '/a', owner = 0, zxid = 2 ** 32 + 1, time = 1000, acl = open): ZNode {
  return new ZNode(path, Buffer.from('data'), acl, owner, zxid, time);
}

describe('digest', () => {
  it('differs for every field by which two nodes may differ', () => {
    const readOnly = describeAcl([{ perms: 1, scheme: 'world', id: 'anyone' }]);
    const nothing = () => {};
    const all = [
      digestOf(nothing),
      digestOf(nothing, plain('/b')),
      digestOf(nothing, plain('/a', 2 ** 32 + 9)),
      digestOf(nothing, plain('/a', 0, 2 ** 33 + 1)),
      digestOf(nothing, plain('/a', 0, 2 ** 32 + 1, 1001)),
      digestOf(nothing, plain('/a', 0, 2 ** 32 + 1, 1000, readOnly)),
      digestOf((node) => node.setData(null)),
      digestOf((node) => node.setData(Buffer.alloc(0))),
      digestOf((node) => node.setData(Buffer.from('date'))),
      digestOf((node) => node.setData(Buffer.from('data\0'))),
      digestOf((node) => node.addChild('x')),
      digestOf((node) => void (node.version = 1)),
      digestOf((node) => void (node.created = 1)),
      digestOf((node) => void (node.aversion = 1)),
      digestOf((node) => void (node.mzxid += 1)),
      digestOf((node) => void (node.mzxid += 2 ** 32)),
      digestOf((node) => void (node.pzxid += 1)),
      digestOf((node) => void (node.mtime += 1)),
    ];
    expect(new Set(all).size).toBe(all.length);
    for (const hex of all) expect(hex).toMatch(/^[0-9a-f]{16}$/);
    // Each half alone tells them apart too: the lanes are independent.
    expect(new Set(all.map((hex) => hex.slice(0, 8))).size).toBe(all.length);
    expect(new Set(all.map((hex) => hex.slice(8))).size).toBe(all.length);
  });

  it('is a sum: order does not matter, and taking away undoes adding', () => {
    const nodes = ['/a', '/b', '/c'].map((path) => plain(path));
    const [forth, back] = [new StateDigest(), new StateDigest()];
    for (const node of nodes) forth.add(node);
    for (const node of [...nodes].reverse()) back.add(node);
    expect(forth.hex()).toBe(back.hex());
    for (const node of nodes) back.subtract(node);
    expect(back.hex()).toBe('0'.repeat(16));
  });
});
