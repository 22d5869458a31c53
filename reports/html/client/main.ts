/// <reference lib="dom" />
// Brings the page to life: reads the run, draws the timeline, ties buttons, keys and the URL's fragment
// to the view. Without it the page still says all that is text.
import { lag, lagStrips, unseen } from './behind.ts';
import { quantiles, throughput } from './curves.ts';
import { type DetailActions, showAnomaly, showFault, showOperation } from './detail.ts';
import { nodes, processes } from './lanes.ts';
import { laneTop, leaders } from './leaders.ts';
import { offsetStrips, offsets } from './offsets.ts';
import type { Hit } from './panel.ts';
import { ribbon } from './ribbon.ts';
import { type RunData, readRunData } from './run-data.ts';
import { scatter } from './scatter.ts';
import { byId, Stage } from './stage.ts';
import { readTheme } from './theme.ts';
import { readFragment, View } from './view.ts';

const FRAGMENT_MS = 300;
const MOVE_SHARE = 0.2;

class Page {
  readonly #data: RunData;
  readonly #view: View;
  readonly #stage: Stage;
  readonly #detail = byId('detail');
  #fragmentTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(data: RunData) {
    this.#data = data;
    this.#view = new View(data.meta.until, () => this.#changed());
    const broker = data.broker === undefined ? [] : [offsets, lag, unseen, leaders];
    const panels = [ribbon, scatter, quantiles, throughput, nodes, ...broker, processes];
    this.#stage = new Stage(panels, data, this.#view, readTheme(), (hit) => this.#pick(hit));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#stage.theme = readTheme();
      this.#stage.schedule();
    });
    this.#buttons();
    this.#keys();
    window.addEventListener('hashchange', () => this.#readFragment());
    this.#readFragment();
  }

  #changed(): void {
    const { from, until, isWhole } = this.#view;
    const digits = Math.min(6, Math.max(2, Math.ceil(-Math.log10((until - from) / 1e9)) + 2));
    const seconds = (ns: number): string => (ns / 1e9).toFixed(digits);
    byId('range').textContent = isWhole
      ? `whole run, ${seconds(until)} s`
      : `${seconds(from)} – ${seconds(until)} s of ${(this.#view.end / 1e9).toFixed(2)} s`;
    this.#stage.schedule();
    // Browsers allow a fragment to be written only so often.
    clearTimeout(this.#fragmentTimer);
    this.#fragmentTimer = setTimeout(() => {
      const fragment = this.#view.fragment((row) => this.#data.number('id', row) ?? 0);
      if (fragment !== location.hash.slice(1)) history.replaceState(null, '', `#${fragment}`);
    }, FRAGMENT_MS);
  }

  #readFragment(): void {
    const { span, op, anomaly, fault } = readFragment(location.hash);
    const row = op === undefined ? undefined : this.#data.rowOfId(op);
    if (anomaly !== undefined) this.#showAnomaly(anomaly, false);
    else if (fault !== undefined) this.#showFault(fault);
    if (row !== undefined) this.#showRow(row, span === undefined);
    if (span !== undefined) this.#view.show(...span);
    else this.#changed();
  }

  #actions(): DetailActions {
    return {
      pickRow: (row) => this.#showRow(row, true),
      pickAnomaly: (index) => this.#showAnomaly(index, false),
      pickFault: (id) => this.#showFault(id),
      close: () => {
        this.#detail.hidden = true;
        this.#view.picked = {};
        this.#view.highlight = undefined;
        this.#view.changed();
      },
    };
  }

  #pick(hit: Hit | undefined): void {
    if (hit?.row !== undefined) this.#showRow(hit.row, false);
    else if (hit?.fault !== undefined) {
      this.#view.picked = { fault: hit.fault };
      showFault(this.#detail, this.#data, hit.fault, this.#actions());
      this.#view.changed();
    }
  }

  /** Shows an operation's details; `bring` moves the view there unless it is in sight at a useful size. */
  #showRow(row: number, bring: boolean): void {
    const data = this.#data;
    const view = this.#view;
    const { anomaly } = view.picked;
    view.picked = anomaly !== undefined && view.highlight?.has(row) ? { anomaly, row } : { row };
    if (view.picked.anomaly === undefined) view.highlight = undefined;
    showOperation(this.#detail, data, row, this.#actions());
    const end = Number.isNaN(data.end[row]!) ? data.invoke[row]! : data.end[row]!;
    const length = Math.max(end - data.due[row]!, 1e5);
    const seen = data.due[row]! >= view.from && end <= view.until;
    if (bring && (!seen || view.until - view.from > length * 400)) {
      view.show(data.due[row]! - 12 * length, end + 12 * length);
    } else view.changed();
  }

  #showFault(id: number): void {
    const fault = this.#data.meta.faults.find((f) => f.id === id);
    if (fault === undefined) return;
    this.#view.picked = { fault: id };
    this.#view.highlight = undefined;
    showFault(this.#detail, this.#data, id, this.#actions());
    const margin = (fault.until - fault.from) * 0.6;
    this.#view.show(fault.from - margin, fault.until + margin);
  }

  #showAnomaly(index: number, scroll: boolean): void {
    const data = this.#data;
    const anomaly = data.meta.anomalies[index];
    if (anomaly === undefined) return;
    const times = anomaly.moments.map((moment) => moment.t);
    for (const row of anomaly.rows) {
      times.push(data.due[row]!, Number.isNaN(data.end[row]!) ? data.invoke[row]! : data.end[row]!);
    }
    for (const item of document.querySelectorAll('.anomalies li.current')) {
      item.classList.remove('current');
    }
    document.getElementById(`anomaly-${index}`)?.classList.add('current');
    this.#view.picked = { anomaly: index };
    this.#view.highlight = anomaly.rows.length > 0 ? new Set(anomaly.rows) : undefined;
    showAnomaly(this.#detail, data, index, this.#actions());
    const [first, last] = [Math.min(...times), Math.max(...times)];
    const margin = Math.max(1e5, (last - first) * 0.15);
    if (times.length > 0) this.#view.show(first - margin, last + margin);
    else this.#view.changed();
    if (anomaly.key !== undefined) this.#bringPartition(anomaly.key);
    if (scroll) byId('stage').scrollIntoView({ block: 'start' });
  }

  /** Brings a partition into sight in the panels that scroll within themselves. */
  #bringPartition(key: string): void {
    const { broker } = this.#data;
    if (broker === undefined) return;
    for (const [panel, top] of [
      [offsets, offsetStrips.topOf(broker, key)],
      [lag, lagStrips.topOf(broker, key)],
      [leaders, laneTop(broker.meta.lanes, key)],
    ] as const) {
      if (top !== undefined) this.#stage.scrollTo(panel, top);
    }
  }

  #buttons(): void {
    const click = (id: string, act: () => void): void =>
      document.getElementById(id)?.addEventListener('click', act);
    click('zoom-in', () => this.#view.zoom(0.5));
    click('zoom-out', () => this.#view.zoom(2));
    click('reset', () => this.#reset());
    click('first-anomaly', () => this.#showAnomaly(0, false));
    document.addEventListener('click', (event) => {
      const target = event.target instanceof Element ? event.target.closest('button') : null;
      if (target === null) return;
      const { anomaly, row, fault, time } = target.dataset;
      if (anomaly !== undefined) this.#showAnomaly(Number(anomaly), true);
      else if (row !== undefined) this.#showRow(Number(row), true);
      else if (fault !== undefined) this.#showFault(Number(fault));
      else if (time !== undefined) this.#view.show(Number(time) - 1e9, Number(time) + 1e9);
      else return;
      byId('stage').scrollIntoView({ block: 'start' });
    });
    for (const box of document.querySelectorAll<HTMLInputElement>('input[data-outcome]')) {
      box.addEventListener('change', () => {
        const type = ['ok', 'info', 'fail'].indexOf(box.dataset.outcome ?? '');
        if (box.checked) this.#view.hiddenOutcomes.delete(type);
        else this.#view.hiddenOutcomes.add(type);
        this.#view.changed();
      });
    }
  }

  #reset(): void {
    this.#detail.hidden = true;
    this.#view.reset();
  }

  #keys(): void {
    const view = this.#view;
    const anomalies = this.#data.meta.anomalies.length;
    const acts: Record<string, () => void> = {
      ArrowLeft: () => view.move(-MOVE_SHARE),
      ArrowRight: () => view.move(MOVE_SHARE),
      '+': () => view.zoom(0.5),
      '=': () => view.zoom(0.5),
      '-': () => view.zoom(2),
      Escape: () => this.#reset(),
      a: () => {
        if (anomalies > 0) this.#showAnomaly(((view.picked.anomaly ?? -1) + 1) % anomalies, false);
      },
    };
    document.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = acts[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    });
  }
}

function copyCommand(): void {
  const button = byId<HTMLButtonElement>('copy');
  const code = byId('reproduce');
  button.addEventListener('click', () => {
    // Selected too: where the clipboard is refused, one key still copies it.
    getSelection()?.selectAllChildren(code);
    const said = (text: string): void => {
      button.textContent = text;
    };
    const copied = navigator.clipboard?.writeText(code.textContent ?? '');
    if (copied === undefined) said('selected');
    else
      copied.then(
        () => said('copied'),
        () => said('selected'),
      );
  });
}

async function start(): Promise<void> {
  copyCommand();
  const loading = byId('loading');
  try {
    new Page(await readRunData());
    loading.hidden = true;
    document.documentElement.dataset.ready = 'yes';
  } catch (error) {
    loading.textContent = `The timeline cannot be drawn: ${String(error)}`;
    throw error;
  }
}

void start();
