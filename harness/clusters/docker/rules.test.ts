// Tests of the nft rules as text. Whether the kernel obeys them is for the conformance tests.
import { expect, test } from 'vitest';
import { cutRules, readCounters, standingRules } from './rules.ts';

test('counters are read by direction and address', () => {
  const listing = `table inet chaos {
	chain cut_out {
		ip daddr 10.99.3.12 counter packets 7 bytes 420 drop
	}
	chain cut_in {
		ip saddr 10.99.3.13 counter packets 0 bytes 0 drop
		ip saddr 10.99.3.12 counter packets 41 bytes 9000 drop
	}
	chain output {
		type filter hook output priority filter; policy accept;
		ip daddr 127.0.0.11 counter packets 3 bytes 9 drop comment "resolver"
		oifname "lo" accept
		jump cut_out
		ip daddr 10.99.3.0/24 accept
		counter packets 5 bytes 300 drop comment "outside"
	}
}`;
  expect(readCounters(listing)).toEqual({
    out: { '10.99.3.12': 7 },
    in: { '10.99.3.13': 0, '10.99.3.12': 41 },
    outside: 5,
  });
});

test('cuts replace all earlier ones in one transaction', () => {
  const lines = cutRules({ out: ['10.0.0.2'], in: ['10.0.0.3'] })
    .trim()
    .split('\n');
  expect(lines).toEqual([
    'flush chain inet chaos cut_out',
    'flush chain inet chaos cut_in',
    'add rule inet chaos cut_out ip daddr 10.0.0.2 counter drop',
    'add rule inet chaos cut_in ip saddr 10.0.0.3 counter drop',
  ]);
});

test('the standing rules accept orders before the cuts, the subnet after them, and drop the rest last', () => {
  const text = standingRules('10.99.3.0/24');
  const order = [
    '127.0.0.11',
    'oifname "lo" accept',
    'ip daddr 10.99.3.0/24 tcp sport 31001 accept',
    'jump cut_out',
    'ip daddr 10.99.3.0/24 accept',
    '"outside"',
    'ip saddr 10.99.3.0/24 tcp dport 31001 accept',
    'jump cut_in',
  ];
  const places = order.map((part) => text.indexOf(part));
  expect(places).not.toContain(-1);
  expect(places).toEqual([...places].sort((a, b) => a - b));
});
