/// <reference lib="dom" />
// The panel that tells all about one operation, fault or anomaly. Texts are set as text and never as
// HTML, for they come from the run.
import type { RunData } from './run-data.ts';

/** What the detail panel may ask the page to do. */
export interface DetailActions {
  pickRow(row: number): void;
  pickAnomaly(index: number): void;
  pickFault(id: number): void;
  close(): void;
}

type Field = [name: string, value: string | undefined];

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text = '',
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function button(text: string, act: () => void): HTMLButtonElement {
  const node = element('button', '', text);
  node.type = 'button';
  node.addEventListener('click', act);
  return node;
}

function fill(
  aside: HTMLElement,
  title: HTMLElement,
  fields: Field[],
  steps: HTMLElement[],
  actions: DetailActions,
  prose: HTMLElement[] = [],
): void {
  const list = element('dl');
  for (const [name, value] of fields) {
    if (value === undefined || value === '') continue;
    list.append(element('dt', '', name), element('dd', '', value));
  }
  const close = button('×', actions.close);
  close.className = 'close';
  close.setAttribute('aria-label', 'Close details');
  const row = element('div', 'steps');
  row.append(...steps);
  aside.replaceChildren(close, title, ...prose, list, row);
  aside.hidden = false;
}

/** A zxid as people write it. */
function zxidText(zxid: number | undefined): string | undefined {
  if (zxid === undefined) return undefined;
  return `(${Math.floor(zxid / 0x1_0000_0000)},${zxid >>> 0})`;
}

function momentText(ns: number | undefined): string | undefined {
  return ns === undefined || Number.isNaN(ns) ? undefined : `${(ns / 1e9).toFixed(9)} s`;
}

/** Shows an operation. */
export function showOperation(
  aside: HTMLElement,
  data: RunData,
  row: number,
  actions: DetailActions,
): void {
  const { meta } = data;
  const outcome = data.outcome(row);
  const number = (name: string): string | undefined => data.number(name, row)?.toString();
  const took = data.end[row]! - data.invoke[row]!;
  const ms = (ns: number): string | undefined =>
    Number.isNaN(ns) ? undefined : `${(ns / 1e6).toFixed(6)} ms`;
  const meaning = {
    ok: 'ok: it happened',
    info: 'info: nobody knows',
    fail: 'fail: it did not happen',
  };
  const during = meta.faults.filter(
    (f) =>
      f.from <= (Number.isNaN(took) ? meta.until : data.end[row]!) && f.until >= data.invoke[row]!,
  );
  const fields: Field[] = [
    ['outcome', meaning[outcome]],
    ['process', number('process')],
    ['node', data.name('node', meta.nodes, row)],
    ['key', data.name('key', meta.keys, row)],
    ['input', data.input(row)],
    ['output', data.output(row)],
    ['error', data.name('error', meta.errors, row)],
    ['due', data.number('wait', row) === undefined ? undefined : momentText(data.due[row])],
    ['invoked', momentText(data.invoke[row])],
    ['returned', momentText(data.end[row]) ?? 'never'],
    ['service time', ms(took)],
    ['response time', ms(data.end[row]! - data.due[row]!)],
    ['zxid', zxidText(data.number('zxid', row))],
    ['sync zxid', zxidText(data.number('syncZxid', row))],
    ['mzxid', zxidText(data.number('mzxid', row))],
    ['version', number('version')],
    ['offset', number('offset')],
    ['leader epoch', number('leaderEpoch')],
    ['session', data.name('session', meta.sessions, row)],
    ['events', [number('invokeEvent'), number('completionEvent')].filter(Boolean).join(', ')],
    ['faults', during.map((f) => `${f.id}: ${f.label}`).join('; ')],
  ];
  const title = element('h3');
  const id = data.number('id', row);
  title.append(element('i', `dot ${outcome}`), `#${id} ${data.name('f', meta.fs, row) ?? ''}`);
  const steps: HTMLElement[] = [];
  const step = (text: string, target: number | undefined): void => {
    if (target !== undefined) steps.push(button(text, () => actions.pickRow(target)));
  };
  const { rows } = data.lanes[data.laneOfRow[row]!]!;
  const at = rows.indexOf(row);
  step('‹ process', rows[at - 1]);
  step('process ›', rows[at + 1]);
  if (data.number('key', row) !== undefined) {
    step('‹ key', sameKey(data, row, -1));
    step('key ›', sameKey(data, row, 1));
  }
  for (const [i, anomaly] of meta.anomalies.entries()) {
    if (steps.length < 12 && anomaly.rows.includes(row)) {
      steps.push(button(`anomaly ${i + 1}`, () => actions.pickAnomaly(i)));
    }
  }
  fill(aside, title, fields, steps, actions);
}

function sameKey(data: RunData, row: number, direction: 1 | -1): number | undefined {
  const keys = data.table.numbers.key!;
  for (let at = row + direction; at >= 0 && at < data.count; at += direction) {
    if (keys[at] === keys[row]) return at;
  }
  return undefined;
}

/** Shows a fault. */
export function showFault(
  aside: HTMLElement,
  data: RunData,
  id: number,
  actions: DetailActions,
): void {
  const fault = data.meta.faults.find((f) => f.id === id);
  if (fault === undefined) return;
  const fields: Field[] = [
    ['fault', fault.json],
    ['injection', `${momentText(fault.from)} to ${momentText(fault.injected)}`],
    ['', fault.injection],
    ['heal', `${momentText(fault.healing)} to ${momentText(fault.until)}`],
    ['', fault.heal],
    ['recovery', fault.recoveryMs === undefined ? undefined : `${fault.recoveryMs.toFixed(3)} ms`],
  ];
  const title = element('h3');
  title.append(element('i', `swatch ${fault.kind}`), `Fault ${id}: ${fault.label}`);
  fill(aside, title, fields, [], actions);
}

/** Shows an anomaly: its operations in order, to step through. */
export function showAnomaly(
  aside: HTMLElement,
  data: RunData,
  index: number,
  actions: DetailActions,
): void {
  const anomaly = data.meta.anomalies[index];
  if (anomaly === undefined) return;
  const title = element('h3', '', `Anomaly ${index + 1}: ${anomaly.title}`);
  const prose = document.querySelector(`#anomaly-${index} > p`)?.textContent ?? '';
  const steps = anomaly.rows.slice(0, 40).map((row) => {
    const step = button(`#${data.number('id', row)} ${data.title(row)}`, () =>
      actions.pickRow(row),
    );
    step.className = 'op';
    return step;
  });
  for (const id of anomaly.faults) steps.push(button(`fault ${id}`, () => actions.pickFault(id)));
  const fields: Field[] = anomaly.moments
    .slice(0, 20)
    .map((m) => [m.node, `${momentText(m.t)} ${m.text}`]);
  fill(aside, title, fields, steps, actions, [element('p', '', prose)]);
}
