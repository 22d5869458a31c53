// What a fault says of itself: whom it touches and its short name. Clients are an end of a link and no node.
import { describe, expect, it } from 'vitest';
import { CLIENTS, describeFault, type Fault, faultNodes, linksBetween } from './fault.ts';

const NAMED: [Fault, string, string[]][] = [
  [{ kind: 'kill', nodes: ['n2'] }, 'kill n2', ['n2']],
  [
    { kind: 'cut', links: [...linksBetween(['n1'], ['n2']), { from: 'n3', to: 'n1' }] },
    'cut n1-n2 n3→n1',
    ['n1', 'n2', 'n3'],
  ],
  [{ kind: 'cut', links: linksBetween(['b1'], [CLIENTS]) }, 'cut b1-clients', ['b1']],
  [{ kind: 'cut', links: [{ from: 'n1', to: CLIENTS }] }, 'cut n1→clients', ['n1']],
  [
    { kind: 'lose', links: [{ from: CLIENTS, to: 'n1' }], probability: 0.5 },
    'lose clients→n1',
    ['n1'],
  ],
];

describe('a fault', () => {
  it.each(NAMED)('%j is called %s', (fault, name, nodes) => {
    expect(describeFault(fault)).toBe(name);
    expect(faultNodes(fault)).toEqual(nodes);
  });
});
