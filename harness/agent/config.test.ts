// Tests of the address book. Every connection of a local node is classified by it.
import { expect, test } from 'vitest';
import { AddressBook } from './config.ts';

const book = new AddressBook({
  node: 'n1',
  incarnation: 1,
  control: { port: 1, token: '' },
  nodes: {
    n1: { address: '127.77.0.1', ports: { 2888: 9001 }, sourcePorts: [9100, 9199] },
    n2: { address: '127.77.0.2', ports: { 2888: 9002 }, sourcePorts: [9200, 9299] },
  },
});

test('destinations are told by name, by apparent address and by loopback', () => {
  const n2 = { to: 'node', node: 'n2', port: 2888 };
  for (const host of ['n2', 'N2', 'n2.', '127.77.0.2']) {
    expect(book.destination(host, 2888)).toEqual(n2);
  }
  expect(book.destination('n2', 80)).toEqual({ to: 'closed', node: 'n2' });
  for (const host of ['localhost', '127.0.0.1', '::1', '0.0.0.0']) {
    expect(book.destination(host, 2888)).toEqual({ to: 'node', node: 'n1', port: 2888 });
    expect(book.destination(host, 80)).toEqual({ to: 'loopback' });
  }
  for (const host of ['198.51.100.1', '2001:db8::1']) {
    expect(book.destination(host, 2888)).toEqual({ to: 'outside' });
  }
  expect(book.destination('example.com', 443)).toEqual({ to: 'name' });
});

test('a source port names its node, and a client’s names none', () => {
  expect(book.nodeOfSource(9100)).toBe('n1');
  expect(book.nodeOfSource(9299)).toBe('n2');
  expect(book.nodeOfSource(9300)).toBeUndefined();
  expect(book.nodeOfSource(40_000)).toBeUndefined();
});
