// The page in a real browser: silent console, no request but itself, and it answers to pointer and keys.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FinishedRun } from '../../history/run-record.ts';
import { hostileRun, synthesiseRun } from '../testing.ts';
import { LOST, synthesiseBrokerRun } from '../testing-broker.ts';
import { type BrowserPage, chromiumFound, openPage } from './chromium.testing.ts';
import { renderHtml } from './render.ts';

// Without Chromium these are skipped by name; in CI they run and fail, since a skip would hide it.
const inChromium = it.skipIf(!chromiumFound && !process.env.CI);
const NEEDS = '(needs chromium: apt-get install chromium)';

const READY = `new Promise((resolve) => {
  const look = () => document.documentElement.dataset.ready === 'yes' ? resolve(true) : requestAnimationFrame(look);
  look();
})`;
const DRAWN =
  'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))';
// How many different colours a panel shows: an empty one has one or two.
const COLORS = (id: string): string => `(() => {
  const canvas = document.getElementById('${id}');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})()`;
const RANGE = `document.getElementById('range').textContent`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chaos-report-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function open(
  run: FinishedRun,
  options: { dark?: boolean; fragment?: string; height?: number } = {},
) {
  const file = join(folder, `${Math.random()}.html`);
  await writeFile(file, renderHtml(run));
  const url = pathToFileURL(file).href;
  const page = await openPage(`${url}${options.fragment ?? ''}`, options);
  await page.evaluate(READY);
  await page.evaluate(DRAWN);
  return { page, url };
}

async function drag(page: BrowserPage, id: string, fromShare: number, toShare: number) {
  const box = (await page.evaluate(`(() => {
    const canvas = document.getElementById('${id}');
    canvas.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return { left, top, width, height };
  })()`)) as { left: number; top: number; width: number; height: number };
  const y = box.top + box.height / 2;
  const mouse = (type: string, share: number) =>
    page.send('Input.dispatchMouseEvent', {
      type,
      x: box.left + 88 + share * (box.width - 88),
      y,
      button: type === 'mouseMoved' ? 'none' : 'left',
      buttons: 1,
      clickCount: 1,
    });
  await mouse('mousePressed', fromShare);
  await mouse('mouseMoved', toShare);
  await mouse('mouseReleased', toShare);
}

async function middleOf(page: BrowserPage, id: string, share = 0.5): Promise<number> {
  return (await page.evaluate(`(() => {
    const canvas = document.getElementById('${id}');
    canvas.scrollIntoView({ block: 'center' });
    const { top, height } = canvas.getBoundingClientRect();
    return top + ${share} * height;
  })()`)) as number;
}

describe('report in Chromium', () => {
  inChromium(`draws every panel, with a silent console and no request ${NEEDS}`, async () => {
    for (const dark of [false, true]) {
      const { page, url } = await open(synthesiseRun({ ops: 4_000, outcome: 'invalid' }), { dark });
      await using _ = page;
      expect(await page.evaluate(`document.querySelector('h1').innerText`)).toContain('INVALID');
      for (const id of ['ribbon', 'scatter', 'quantiles', 'throughput', 'nodes', 'processes']) {
        expect(await page.evaluate(COLORS(id)), id).toBeGreaterThan(8);
      }
      expect(page.problems).toEqual([]);
      expect(page.requests).toEqual([url]);
    }
  });

  inChromium(`draws the broker's panels, also where partitions are many ${NEEDS}`, async () => {
    for (const [dark, partitions] of [
      [false, 3],
      [true, 12],
    ] as const) {
      const { page, url } = await open(synthesiseBrokerRun({ partitions }), { dark });
      await using _ = page;
      for (const id of ['nodes', 'offsets', 'lag', 'unseen', 'leaders', 'processes']) {
        expect(await page.evaluate(COLORS(id)), id).toBeGreaterThan(8);
      }
      const unread = await page.evaluate(`document.querySelector('.unread tbody').innerText`);
      const units = await page.evaluate(`document.getElementById('offsets').ariaLabel`);
      expect(units).toContain(partitions > 4 ? `${partitions} of them: scroll` : 'by partition');
      expect(unread).toContain(`${LOST.key}\t${LOST.offset}\t`);
      expect(page.problems).toEqual([]);
      expect(page.requests).toEqual([url]);
    }
  });

  inChromium(`tells of messages, leaders and lag under the pointer ${NEEDS}`, async () => {
    const { page } = await open(synthesiseBrokerRun(), { height: 4_000 });
    await using _ = page;
    const over = async (id: string, share: number, x = 560) => {
      const y = await middleOf(page, id, share);
      await page.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
      return page.evaluate(`document.getElementById('tooltip').innerText`);
    };
    expect(await over('offsets', 0.3)).toMatch(/^orders-0 at .*\nhigh watermark \d+\nprocess 10/);
    expect(await over('lag', 0.5)).toMatch(/^orders-1, messages behind, [\s\S]*process 103: \d+/);
    expect(await over('unseen', 0.5)).toMatch(/acknowledged and unread at/);
    expect(await over('leaders', 0.02)).toContain('controller b2, epoch 2');
    expect(await over('leaders', 0.4, 300)).toMatch(
      /^orders-\d: b1 leads, epoch 0[\s\S]*ISR b1 b2 b3/,
    );
    expect(page.problems).toEqual([]);
  });

  inChromium(
    `shows a lost message at its offset, and brings its partition there ${NEEDS}`,
    async () => {
      const run = synthesiseBrokerRun({ partitions: 12 });
      const { page } = await open(run, { fragment: `#anomaly=0` });
      await using _ = page;
      const details = await page.evaluate(`document.getElementById('detail').innerText`);
      expect(details).toContain('lost-write (messages · broker)');
      expect(
        await page.evaluate(`document.getElementById('plot-offsets').scrollTop`),
      ).toBeGreaterThan(0);
      const lost = run.record.ops.find(({ invoke }) => {
        return run.results.verdicts.at(-1)!.anomalies[0]!.events.includes(invoke.index);
      })!;
      await page.evaluate(`document.querySelector('.unread button').click()`);
      await page.evaluate(DRAWN);
      const picked = await page.evaluate(`document.getElementById('detail').innerText`);
      expect(picked).toContain(`#${lost.id} send`);
      expect(page.problems).toEqual([]);
    },
  );

  inChromium(`shows 200,000 operations ${NEEDS}`, async () => {
    const { page, url } = await open(synthesiseRun({ ops: 200_000 }));
    await using _ = page;
    expect(await page.evaluate(COLORS('scatter'))).toBeGreaterThan(8);
    await drag(page, 'scatter', 0.2, 0.3);
    await page.evaluate(DRAWN);
    expect(await page.evaluate(RANGE)).not.toContain('whole run');
    expect(page.problems).toEqual([]);
    expect(page.requests).toEqual([url]);
  });

  inChromium(`zooms by dragging, keys and wheel, and resets ${NEEDS}`, async () => {
    // The whole page fits in, since a wheel that scrolls the page does not zoom.
    const { page } = await open(synthesiseRun({ ops: 2_000 }), { height: 5_000 });
    await using _ = page;
    const whole = await page.evaluate(RANGE);
    expect(whole).toContain('whole run');
    const key = async (name: string) => {
      await page.send('Input.dispatchKeyEvent', { type: 'keyDown', key: name });
      return page.evaluate(RANGE);
    };
    await drag(page, 'throughput', 0.5, 0.6);
    const dragged = await page.evaluate(RANGE);
    expect(dragged).not.toBe(whole);
    const moved = await key('ArrowRight');
    expect(moved).not.toBe(dragged);
    expect(await key('+')).not.toBe(moved);
    expect(await key('Escape')).toBe(whole);
    const at = { x: 700, y: await middleOf(page, 'throughput') };
    await page.send('Input.dispatchMouseEvent', {
      ...at,
      type: 'mouseWheel',
      deltaX: 0,
      deltaY: -200,
    });
    await page.evaluate(DRAWN);
    expect(await page.evaluate(RANGE)).not.toBe(whole);
    expect(page.problems).toEqual([]);
  });

  inChromium(`tells of a fault under the pointer, with its evidence ${NEEDS}`, async () => {
    const run = synthesiseRun({ ops: 2_000 });
    const { page } = await open(run, { fragment: '#t=9-11' });
    await using _ = page;
    const y = await middleOf(page, 'throughput');
    const over = async (at: number) => {
      await page.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x: 700, y: at });
      return page.evaluate(`document.getElementById('tooltip').innerText`);
    };
    expect(await over(y)).toContain('Fault 0: cut');
    const fault = await over(await middleOf(page, 'ribbon', 0.85));
    expect(fault).toContain(JSON.stringify(run.record.faults[0]!.fault));
    expect(fault).toContain('verified: probes across the fault failed');
    expect(page.problems).toEqual([]);
  });

  inChromium(`opens where the fragment says, and writes where it is ${NEEDS}`, async () => {
    const run = synthesiseRun({ ops: 2_000, outcome: 'invalid' });
    const { page } = await open(run, { fragment: '#t=10-12.5&op=700' });
    await using _ = page;
    expect(await page.evaluate(RANGE)).toMatch(/^10\.0+ – 12\.50* s/);
    expect(await page.evaluate(`document.getElementById('detail').innerText`)).toContain('#700');
    const jumped = page.evaluate(`new Promise((resolve) => {
      const look = () => location.hash.includes('anomaly=0') ? resolve(location.hash) : setTimeout(look, 20);
      document.getElementById('first-anomaly').click();
      look();
    })`);
    expect(await jumped).toMatch(/^#t=[\d.]+-[\d.]+&anomaly=0$/);
    const details = await page.evaluate(`document.getElementById('detail').innerText`);
    expect(details).toContain('stale-read');
    expect(page.problems).toEqual([]);
  });

  inChromium(`runs nothing that a run smuggles in ${NEEDS}`, async () => {
    const { page, url } = await open(hostileRun(), { fragment: '#op=0' });
    await using _ = page;
    const detail = await page.evaluate(`document.getElementById('detail').innerText`);
    expect(detail).toContain('<img src=x');
    expect(await page.evaluate(`document.querySelectorAll('img').length`)).toBe(0);
    expect(await page.evaluate('typeof window.smuggled')).toBe('undefined');
    expect(page.problems).toEqual([]);
    expect(page.requests).toEqual([`${url}#op=0`.replace(/#.*/, '')]);
  });
});
