// Every four-letter word against a server with a session, a watch and an ephemeral node, in the form
// that ZooKeeper's own tools parse; and the metrics, which say the same in Prometheus' form.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Op } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import { CreateRequest, OPEN_ACL, PathWatchRequest } from '../protocol/records.ts';
import { FOUR_LETTER_WORDS } from './four-letter-words.ts';
import { LoneServer } from './lone-server.testing.ts';
import { prometheusText, serveMetrics } from './metrics.ts';
import { RawClient } from './raw-client.testing.ts';

let server: LoneServer;
let session: RawClient;
let sid: string;

beforeEach(async () => {
  server = await new LoneServer().start();
  session = await new RawClient(server.port).open();
  sid = session.session.toString(16);
  const ephemeral = { path: '/e', data: Buffer.from('x'), acl: [...OPEN_ACL], flags: 1 };
  session.send(
    [7, Op.create, CreateRequest as Codec<never>, ephemeral],
    [8, Op.getData, PathWatchRequest as Codec<never>, { path: '/e', watch: true }],
    [9, Op.getChildren, PathWatchRequest as Codec<never>, { path: '/', watch: true }],
  );
  await session.replies(3);
});

afterEach(async () => {
  session.socket.destroy();
  await server.front.close();
});

async function ask(word: string | Buffer): Promise<string> {
  const c = new RawClient(server.port, false);
  c.socket.end(word);
  await c.hangup();
  return c.text;
}

describe('four-letter words', () => {
  it('are all of ZooKeeper 3.8', () => {
    const all =
      'srvr stat wchc dump crst srst envi conf hash wchs wchp dirs cons mntr isro ruok gtmk';
    expect([...FOUR_LETTER_WORDS].sort()).toEqual([...all.split(' '), 'stmk'].sort());
  });

  it('show connections and their sessions', async () => {
    expect(await ask('cons')).toMatch(
      new RegExp(
        `^ /127\\.0\\.0\\.1:\\d+\\[1\\]\\(queued=0,recved=4,sent=4,sid=0x${sid},lop=getChildren,` +
          'est=\\d+,to=10000,lcxid=0x9,lzxid=0x\\w+,lresp=\\d+,llat=\\d+,minlat=\\d+,avglat=\\d+,' +
          'maxlat=\\d+\\)\n\n$',
      ),
    );
    const dump = await ask('dump');
    expect(dump).toContain(`SessionTracker dump:\nGlobal Sessions(1):\n0x${sid}\t10000ms\n`);
    expect(dump).toContain(`Sessions with Ephemerals (1):\n0x${sid}:\n\t/e\n`);
  });

  it('show watches', async () => {
    expect(await ask('wchs')).toBe('1 connections watching 2 paths\nTotal watches:2\n');
    expect(await ask('wchc')).toBe(`0x${sid}\n\t/e\n\t/\n\n`);
    expect(await ask('wchp')).toBe(`/e\n\t0x${sid}\n/\n\t0x${sid}\n\n`);
  });

  it('show the server', async () => {
    expect(await ask('isro')).toBe('rw');
    expect(await ask('conf')).toContain('serverId=1\n');
    expect(await ask('dirs')).toBe('datadir_size: 0\nlogdir_size: 0\n');
    expect(await ask('hash')).toBe(
      `${server.tree.lastApplied.toString(16)}: ${server.tree.digest()}\n`,
    );
    // As kazoo reads it.
    expect(await ask('envi')).toMatch(/^Environment:\nzookeeper\.version=3\.8\.0-/);
    const mntr = await ask('mntr');
    expect(mntr).toContain('zk_ephemerals_count\t1\n');
    expect(mntr).toMatch(/zk_process_resident_memory_bytes\t\d{7,}\n/);
    expect(mntr.split('\n').every((line) => line === '' || /^zk_\w+\t.+$/.test(line))).toBe(true);
  });

  it('begin counts anew', async () => {
    expect(await ask('srst')).toBe('Server stats reset.\n');
    expect(await ask('srvr')).toContain('Received: 0\n');
    expect(await ask('crst')).toBe('Connection stats reset.\n');
    expect(await ask('cons')).toMatch(/recved=0,sent=0,sid=\w+,lop=NA,est=\d+,to=10000,lzxid=0xf/);
  });

  it('keep a trace mask, which comes after the word', async () => {
    expect(await ask('gtmk')).toBe('306');
    const mask = Buffer.alloc(8);
    mask.writeBigInt64BE(306n);
    expect(await ask(Buffer.concat([Buffer.from('stmk'), mask]))).toBe('306');
  });

  it('are answered only when they are on the whitelist', async () => {
    const strict = await new LoneServer({ words: new Set(['srvr']) }).start();
    const c = new RawClient(strict.port, false);
    c.socket.write('ruok');
    await c.hangup();
    expect(c.text).toBe('ruok is not executed because it is not in the whitelist.\n');
    await strict.front.close();
  });
});

describe('metrics', () => {
  it('are in the text format of Prometheus', () => {
    const text = prometheusText(server.front.facts());
    const line =
      /^(# (HELP \w+ .+|TYPE \w+ (counter|gauge|histogram))|\w+(\{\w+="[^"]+"\})? -?[\d.e+-]+)$/;
    for (const each of text.trimEnd().split('\n')) expect(each).toMatch(line);
    expect(text).toContain('\nznode_count 5\n');
    expect(text).toContain('\nserver_state{state="leader"} 1\n');
    expect(text).toContain('\nreadlatency_count 2\n');
    expect(text).toContain('\nupdatelatency_bucket{le="+Inf"} 1\n');
  });

  it('are served over HTTP, with the health', async () => {
    const http = await serveMetrics({ host: '127.0.0.1', port: 0 }, () => server.front.facts());
    const { port } = http.address() as { port: number };
    const get = (path: string, init?: RequestInit) =>
      fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers: { connection: 'close' } });
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
    expect(await metrics.text()).toContain('global_sessions 1\n');
    expect(await (await get('/health')).json()).toMatchObject({ serving: true, role: 'leader' });
    server.front.stopServing('looking');
    expect((await get('/health')).status).toBe(503);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get('/metrics', { method: 'POST' })).status).toBe(405);
    await new Promise((resolve) => http.close(resolve));
  });
});
