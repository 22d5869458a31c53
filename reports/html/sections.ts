// The parts of the page that are text: verdict, guarantees, anomalies, tables, configuration, limits.
// They are written here and not by the page's script, so that they can be read without it.
import type { FinishedRun } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import {
  faultRows,
  formatCount,
  formatMs,
  formatSeconds,
  messageCounts,
  RECOVERY_NOTE,
  splitWords,
  verdictName,
  verdictSentence,
  verdictsByGravity,
} from '../figures.ts';
import { FAULT_WINDOWS, latencyTables, type Quantiles } from '../latency.ts';
import { type Content, html, type Markup } from './markup.ts';
import { PAGE_LIMITS, type PageData } from './page-data.ts';

const MARK = { valid: '✓', invalid: '✗', unknown: '?' } as const;
const DETAILS_CHARS_MAX = 20_000;
const EVENTS_LISTED_MAX = 40;
const UNREAD_LISTED_MAX = 200;

/** Verdict, figures, command. */
export function headerSection(run: FinishedRun): Markup {
  const { config, versions, reproduce, startedAt } = run.info;
  const { outcome, ops, faults, recoveryMs } = run.results;
  const rate = config.ratePerSecond > 0 ? `${formatCount(config.ratePerSecond)}/s` : 'closed loop';
  const facts: [string, Content][] = [
    ['seed', html`<code>${config.seed}</code>`],
    ['cluster', `${config.cluster}, ${config.nodes.length} nodes`],
    ['nemesis', config.nemesis],
    ['load', `${rate} over ${config.concurrency} processes`],
    ['faults', `${faults.injected} injected, ${faults.verified} verified`],
    ['recovery', `p50 ${formatMs(recoveryMs.p50)} ms, max ${formatMs(recoveryMs.max)} ms`],
    ['Node', `${versions.node} on ${versions.platform}`],
    ['chaos', versions.chaos],
    ['started', startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
    ['exit code', run.results.exit],
  ];
  if (config.mutant !== undefined) facts.unshift(['planted bug', html`<b>${config.mutant}</b>`]);
  return html`<header class="verdict ${outcome}">
    <div class="judgement">
      <p class="eyebrow">${config.system} · ${config.workload}</p>
      <h1><span class="mark" aria-hidden="true">${MARK[outcome]}</span>${outcome.toUpperCase()}</h1>
      <p class="sentence">${verdictSentence(run)}</p>
      <p class="counts">
        <span><i class="dot ok"></i><b>${formatCount(ops.ok)}</b> ok</span>
        <span><i class="dot info"></i><b>${formatCount(ops.info)}</b> info</span>
        <span><i class="dot fail"></i><b>${formatCount(ops.fail)}</b> fail</span>
      </p>
      ${messagesOf(run)}
    </div>
    <dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <div class="command"><span>reproduce</span><code id="reproduce">${reproduce}</code
      ><button type="button" id="copy" aria-label="Copy the command">copy</button></div>
  </header>`;
}

function messagesOf(run: FinishedRun): Content {
  const counts = messageCounts(run);
  if (counts === undefined) return '';
  const { acknowledged, unknown, failed, read, duplicates, unread } = counts;
  const count = (value: number, name: string): Markup =>
    html`<span><b>${formatCount(value)}</b> ${name}</span>`;
  return html`<p class="counts messages"><span class="what">messages</span>
    ${count(acknowledged, 'acknowledged')} ${count(unknown, 'unknown')} ${count(failed, 'failed')}
    ${count(read, 'read at least once')} ${count(unread, 'unread')} ${count(duplicates, 'duplicates')}</p>`;
}

function partOf({ part }: Verdict): Content {
  return part === undefined ? '' : html` <span class="part">${part}</span>`;
}

/** One row per guarantee, broken ones first. */
export function guaranteesSection(run: FinishedRun): Markup {
  const rows = verdictsByGravity(run).map(
    (verdict) => html`<li class="guarantee ${verdict.outcome}">
      <span class="mark" aria-hidden="true">${MARK[verdict.outcome]}</span>
      <div>
        <h3>${verdict.checker}${partOf(verdict)} <span class="outcome">${verdict.outcome}</span></h3>
        <p>${verdict.guarantee}</p>
        ${verdict.reason === undefined ? '' : html`<p class="reason">${verdict.reason}</p>`}
        ${detailsOf(verdict)}
      </div>
      <ul class="evidence">${Object.entries(verdict.evidence).map(
        ([name, count]) => html`<li><b>${formatCount(count)}</b> ${splitWords(name)}</li>`,
      )}</ul>
    </li>`,
  );
  return html`<section aria-labelledby="guarantees"><h2 id="guarantees">Guarantees</h2>
    <ul class="guarantees">${rows}</ul></section>`;
}

function detailsOf(verdict: Verdict): Content {
  if (verdict.details === undefined) return '';
  // Long texts, such as a histogram's dump, are files of their own in the run's folder.
  const brief = (_: string, value: unknown): unknown =>
    typeof value === 'string' && value.length > 500 ? `${value.slice(0, 500)}…` : value;
  const json = JSON.stringify(verdict.details, brief, 1) ?? '';
  const cut = json.length > DETAILS_CHARS_MAX ? '\n… cut; the whole is in results.json' : '';
  return html`<details><summary>figures</summary><pre>${json.slice(0, DETAILS_CHARS_MAX)}${cut}</pre></details>`;
}

/** Anomalies in prose; the buttons are wired to the timeline by the page's script. */
export function anomaliesSection(run: FinishedRun, data: PageData): Markup {
  if (data.anomalies.length === 0) return html``;
  const ops = run.record.ops;
  const idOfRow = data.columns.find((column) => column.name === 'id')?.values as Float64Array;
  const items = data.anomalies.map(({ verdict, anomaly }, i) => {
    const page = data.meta.anomalies[i]!;
    const shown = page.rows.slice(0, EVENTS_LISTED_MAX).map((row) => {
      const op = ops[idOfRow[row]!]!;
      const value = op.type === 'ok' ? op.completion?.value : op.invoke.value;
      const text = value === undefined ? '' : ` ${JSON.stringify(value)?.slice(0, 40)}`;
      return html`<button type="button" class="op ${op.type}" data-row="${row}"><i class="dot ${op.type}"></i>#${op.id}
        ${op.f}${text} · process ${op.process}</button>`;
    });
    const faults = page.faults.map(
      (id) => html`<button type="button" class="op" data-fault="${id}">fault ${id}</button>`,
    );
    const moments = page.moments
      .slice(0, EVENTS_LISTED_MAX)
      .map(
        (m) =>
          html`<button type="button" class="op" data-time="${m.t}">${m.node} ${formatSeconds(m.t)} ${m.text}</button>`,
      );
    const more = page.rows.length - shown.length;
    return html`<li id="anomaly-${i}">
      <h3><span class="kind">${anomaly.kind}</span> <span class="by">${verdictName(verdict)}${
        anomaly.key === undefined ? '' : ` · ${anomaly.key}`
      }</span></h3>
      <p>${anomaly.why}</p>
      <p class="ops"><button type="button" class="show" data-anomaly="${i}">Show on the timeline</button>
        ${shown}${more > 0 ? html`<span>and ${more} more</span>` : ''}${faults}${moments}</p>
    </li>`;
  });
  const left = data.cuts.anomaliesLeftOut;
  return html`<section aria-labelledby="anomalies"><h2 id="anomalies">Anomalies
      <span class="count">${formatCount(items.length + left)}</span></h2>
    <ol class="anomalies">${items}</ol>
    ${left > 0 ? html`<p class="note">${formatCount(left)} more are in results.json.</p>` : ''}</section>`;
}

/** Acknowledged messages that no poll returned, by name; nothing where there were none. */
export function unreadSection({ unread, meta, columns }: PageData): Markup {
  if (unread.length === 0) return html``;
  const ids = columns.find(({ name }) => name === 'id')?.values as Float64Array;
  const rowOfId = new Map(Array.from(ids, (id, row) => [id, row]));
  const rows = unread.slice(0, UNREAD_LISTED_MAX).map(({ value, key, offset, op, t }) => {
    const row = rowOfId.get(op);
    const button = html`<button type="button" class="op" data-row="${row}">#${op}</button>`;
    return html`<tr><td>${`${value}`.slice(0, 200)}</td><td>${key}</td><td class="num">${formatCount(offset)}</td>
      <td class="num">${formatSeconds(t)}</td><td>${row === undefined ? `#${op}` : button}</td></tr>`;
  });
  const left = unread.length - rows.length;
  const all = meta.broker?.keys.length ?? 0;
  const partitions = new Set(unread.map(({ key }) => key)).size;
  return html`<section aria-labelledby="unread"><h2 id="unread">Never read
      <span class="count">${formatCount(unread.length)}</span></h2>
    <p class="note">Acknowledged, and returned by no poll to the end of the run, in ${partitions} of ${all} partitions.
      Whether they are lost, or the partition was not read to its end, the guarantee named messages says.</p>
    <div class="wide unread"><table><thead><tr><th>value</th><th>partition</th><th class="num">offset</th>
      <th class="num">acknowledged</th><th>operation</th></tr></thead><tbody>${rows}</tbody></table></div>
    ${left > 0 ? html`<p class="note">${formatCount(left)} more are drawn in the panel of offsets.</p>` : ''}</section>`;
}

/** Every fault with its evidence and the recovery after it. */
export function faultsSection(run: FinishedRun): Markup {
  const rows = faultRows(run).map((row, i) => {
    const { injection, heal } = run.record.faults[i]!;
    return html`<tr>
      <td class="num">${row.id}</td>
      <td><i class="swatch ${row.kind}"></i>${row.description}</td>
      <td class="num">${formatSeconds(row.from)}</td>
      <td class="num">${formatSeconds(row.durationMs === undefined ? undefined : row.durationMs * 1e6)}</td>
      <td class="${row.verified === 'yes' ? 'good' : 'bad'}">${row.verified}</td>
      <td class="num">${formatMs(row.recoveryMs)}</td>
      <td class="num">${formatMs(row.afterHealMs)}</td>
      <td class="proof"><span>in: ${injection.evidence}</span><span>out: ${
        heal?.evidence ?? (row.until === undefined ? 'never healed' : 'not verified')
      }</span></td>
      <td><button type="button" data-fault="${row.id}" aria-label="Show fault ${row.id} on the timeline">show</button></td>
    </tr>`;
  });
  const body =
    rows.length === 0
      ? html`<p class="note">No fault was injected.</p>`
      : html`<div class="wide"><table><thead><tr><th class="num">id</th><th>fault</th><th class="num">start</th>
        <th class="num">lasted</th><th>verified</th><th class="num">recovery ms</th><th class="num">after heal ms</th><th>evidence</th>
        <th><span class="hidden">show</span></th></tr></thead><tbody>${rows}</tbody></table></div><p class="note">${RECOVERY_NOTE}</p>`;
  return html`<section aria-labelledby="faults"><h2 id="faults">Faults and recovery</h2>${body}</section>`;
}

/** Overall latency, and before, during and after each fault. */
export function latencySection(run: FinishedRun): Markup {
  const tables = latencyTables(run);
  const cells = (q: Quantiles | undefined): Markup[] =>
    [q?.p50, q?.p95, q?.p99, q?.max].map((ms) => html`<td class="num">${formatMs(ms)}</td>`);
  const quantileHeads = ['p50', 'p95', 'p99', 'max'].map((q) => html`<th class="num">${q}</th>`);
  const { service, response } = tables.overall;
  const perFault = tables.faults.map(
    (fault) =>
      html`<tr><th scope="row" class="num">${fault.id}</th>${FAULT_WINDOWS.map((window) => [
        html`<td class="num group">${formatCount(fault[window].count)}</td>`,
        ...cells(fault[window].response),
      ])}</tr>`,
  );
  const around = html`<h3>Response time around each fault</h3>
    <div class="wide"><table><thead>
      <tr><th></th>${FAULT_WINDOWS.map((w) => html`<th colspan="5" class="group">${w}</th>`)}</tr>
      <tr><th class="num">fault</th>${FAULT_WINDOWS.map(() => [
        html`<th class="num group">ok</th>`,
        ...quantileHeads,
      ])}</tr></thead><tbody>${perFault}</tbody></table></div>`;
  return html`<section aria-labelledby="latency"><h2 id="latency">Latency <span class="unit">ms</span></h2>
    <div class="wide"><table class="narrow"><thead><tr><th>time</th>${quantileHeads}<th>counted</th></tr></thead><tbody>
      <tr><th scope="row">service</th>${cells(service)}<td>from the invocation to the answer</td></tr>
      <tr><th scope="row">response</th>${cells(response)}<td>from when the operation was due</td></tr>
    </tbody></table></div>
    ${tables.faults.length > 0 ? around : ''}
    <p class="note">Of ${formatCount(tables.overall.count)} acknowledged operations, ${tables.source}.</p></section>`;
}

/** The resolved configuration and what this page leaves out. */
export function appendixSection(run: FinishedRun, data: PageData): Markup {
  const { cuts, meta } = data;
  const limits = [
    cuts.opsLeftOut > 0
      ? `${formatCount(cuts.opsLeftOut)} ok operations are not drawn: each one drawn stands for ` +
        `${meta.okWeight}. All others are here.`
      : `All ${formatCount(run.record.ops.length)} operations are here; from ` +
        `${formatCount(PAGE_LIMITS.ops)} on, ok operations would be thinned.`,
    cuts.valuesCut > 0
      ? `${formatCount(cuts.valuesCut)} values are cut at ${formatCount(cuts.valueCharsMax)} characters.`
      : `Values are whole, up to ${formatCount(cuts.valueCharsMax)} characters each.`,
    `Up to ${formatCount(PAGE_LIMITS.anomalies)} anomalies are listed, each with up to ` +
      `${PAGE_LIMITS.eventsPerAnomaly} events.`,
    'Quantiles and the throughput curve are computed from the operations in view, in the bins drawn; ' +
      'the tables cover the whole run.',
    'Everything, uncut, is in history.jsonl, events.jsonl and results.json beside this page.',
  ];
  return html`<section aria-labelledby="appendix"><h2 id="appendix">Configuration and limits</h2>
    <ul class="limits">${limits.map((limit) => html`<li>${limit}</li>`)}</ul>
    <details><summary>resolved configuration</summary><pre>${JSON.stringify(run.info, null, 2)}</pre></details></section>`;
}
