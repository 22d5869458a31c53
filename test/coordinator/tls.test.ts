// TLS towards clients and between servers, on real servers: who shows a certificate of the right
// authority is served, and who does not is refused with a line in the log.
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConnectResponse } from '../../coordinator/protocol/records.ts';
import { ByteReader } from '../../wire/bytes.ts';
import { hello } from '../fuzz/corpus.ts';
import { BareEnsemble, type BareServer } from './bare-ensemble.ts';
import { Authority } from './certificates.ts';
import { until } from './ensemble.ts';

let ours: Authority;
let theirs: Authority;
beforeAll(() => {
  ours = new Authority();
  theirs = new Authority('another authority');
});
afterAll(() => {
  ours.remove();
  theirs.remove();
});

const pem = (file: string) => readFileSync(file, 'utf8');

/** What a client's session begins with over TLS; rejects when the server does not let it in. */
function welcome(port: number, own?: string): Promise<ConnectResponse> {
  return new Promise((resolve, reject) => {
    const identity = own === undefined ? {} : { key: pem(own), cert: pem(own) };
    const socket = tls.connect({ port, host: '127.0.0.1', ca: pem(ours.certificate), ...identity });
    socket.once('secureConnect', () => socket.write(hello()));
    socket.once('data', (frame: Buffer) => {
      resolve(ConnectResponse.read(new ByteReader(frame.subarray(4))));
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server hung up')));
  });
}

function secured(server: BareServer, own: string): string[] {
  return [
    `secureClientPort=${server.ports.secure}`,
    `ssl.keyStore.location=${own}`,
    `ssl.trustStore.location=${ours.certificate}`,
    'sslQuorum=true',
    `ssl.quorum.keyStore.location=${own}`,
    `ssl.quorum.trustStore.location=${ours.certificate}`,
  ];
}

it('serves clients that show a certificate, and no others, over servers that do', async () => {
  const lines = (server: BareServer) => secured(server, ours.issue(`server-${server.sid}`));
  await using ensemble = await BareEnsemble.serving({ size: 3, lines });
  const mine = ours.issue('client');
  for (const { ports } of ensemble.servers) {
    expect((await welcome(ports.secure, mine)).sessionId).toBeGreaterThan(0n);
  }
  const { ports } = ensemble.servers[0] as BareServer;
  await expect(welcome(ports.secure)).rejects.toThrow();
  await expect(welcome(ports.secure, theirs.issue('stranger'))).rejects.toThrow();
  // Plain words on the secure port are no handshake.
  expect(await ensemble.word(ensemble.servers[0] as BareServer, 'ruok')).toBe('imok');
  const log = () => ensemble.log(ensemble.servers[0] as BareServer);
  await until('refusals are logged', log, (text) => /refused: TLS: .*certificate/.test(text));
});

it('keeps a server out whose certificate is of another authority', async () => {
  const issuer = (server: BareServer) => (server.sid === 3 ? theirs : ours);
  const lines = (server: BareServer) => secured(server, issuer(server).issue(`s${server.sid}`));
  await using ensemble = await BareEnsemble.create({ size: 3, lines });
  const [first, second, third] = ensemble.servers as [BareServer, BareServer, BareServer];
  for (const server of ensemble.servers) ensemble.start(server);
  const states = () => Promise.all([first, second].map((server) => ensemble.state(server)));
  await until('two of three serve', states, (all) => [...all].sort().join() === 'follower,leader');
  const refusal = (text: string) => /refused peer .*: TLS: /.test(text);
  await until('the stranger is refused', () => ensemble.log(first), refusal);
  expect(await ensemble.state(third)).toBe('not serving');
});
