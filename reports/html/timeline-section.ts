// The frame of the timeline: toolbar, legends, and one empty canvas per panel on the shared axis.
// The page's script finds each by its id and draws.

import { groupsOf } from './broker-page.ts';
import { type Content, html, type Markup } from './markup.ts';
import { OUTCOMES, type PageData, SERIES_COLORS } from './page-data.ts';

const QUANTILES = ['p50', 'p95', 'p99', 'max'];
const ROLES = ['leading', 'following', 'looking', 'starting', 'down'];
const BROKER_ROLES = ['controller', 'serving', 'unregistered', 'starting', 'down'];

/** The timeline's markup. */
export function timelineSection(data: PageData): Markup {
  const { faults, anomalies } = data.meta;
  const kinds = [...new Set(faults.map((fault) => fault.kind))];
  const key = (kind: string, names: readonly string[]): Content =>
    names.map((name) => html`<span class="key"><i class="${kind} ${name}"></i>${name}</span>`);
  const toggles = OUTCOMES.map(
    (outcome) => html`<label class="key"><input type="checkbox" data-outcome="${outcome}" checked>
      <i class="dot ${outcome}"></i>${outcome}</label>`,
  );
  return html`<section class="timeline" aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>
  <p class="note">Drag to zoom, wheel to zoom at the pointer, shift-drag to move. Keys: ← → move,
    + − zoom, <kbd>a</kbd> next anomaly, <kbd>Esc</kbd> resets. Click an operation for its details.</p>
  <div id="stage" tabindex="0" role="group" aria-label="Timeline: arrow keys move, plus and minus zoom, Escape resets">
    <div class="sticky">
      <div class="toolbar">
        <button type="button" id="zoom-out" aria-label="Zoom out">−</button>
        <button type="button" id="zoom-in" aria-label="Zoom in">+</button>
        <button type="button" id="reset">reset</button>
        ${anomalies.length > 0 ? html`<button type="button" id="first-anomaly" class="alarm">jump to first anomaly</button>` : ''}
        <output id="range" aria-live="polite"></output>
        <span class="keys">${toggles}</span>
      </div>
      ${canvas('ribbon', 'Time axis, phases and faults')}
    </div>
    ${panel('scatter', 'Latency of each operation', 'ms from when it was due', key('swatch', kinds))}
    ${panel('quantiles', 'Latency quantiles', 'ms, acknowledged operations', key('line', QUANTILES))}
    ${panel('throughput', 'Throughput', 'operations a second, by outcome', key('dot', OUTCOMES))}
    ${panel('nodes', 'Nodes', nodesUnit(data), key('role', rolesIn(data)))}
    ${brokerPanels(data)}
    ${panel('processes', 'Processes', 'a bar per operation; an open one runs off to the right', '')}
    <p id="loading" class="note" role="status">Reading the operations…</p>
    <div id="crosshair" hidden></div><div id="brush" hidden></div>
  </div>
  <div id="tooltip" role="tooltip" hidden></div>
  <aside id="detail" aria-label="Details" aria-live="polite" hidden></aside>
  <noscript><p class="note">The timeline is drawn by a script; the rest of this page needs none.</p></noscript>
  </section>`;
}

function rolesIn({ meta }: PageData): string[] {
  const states = new Set<string>(meta.lanes.flatMap(({ spans }) => spans.map((s) => s.state)));
  const brokers = BROKER_ROLES.some((role) => role === 'serving' && states.has(role));
  const others = !brokers || states.has('following') || states.has('leading');
  return [...new Set([...(others ? ROLES : []), ...(brokers ? BROKER_ROLES : [])])];
}

function nodesUnit({ meta }: PageData): string {
  const crown = 'role of each node; the crown is an established leader';
  return meta.broker === undefined ? crown : `${crown}, or the controller`;
}

/** Of a run with brokers; what is missing or put together is said beside the title. */
function brokerPanels({ meta, unread, columns }: PageData): Content {
  const { broker } = meta;
  if (broker === undefined) return '';
  const { notes, lanes } = broker;
  const { length } = broker.keys;
  const strips = length > 4 ? `a strip per partition, ${length} of them: scroll` : 'by partition';
  const noted = (unit: string, note: string | undefined): string =>
    note === undefined ? unit : `${unit}; ${note}`;
  const chip = (kind: string, text: string): Markup =>
    html`<span class="key"><i class="${kind}"></i>${text}</span>`;
  const readers = broker.consumers.some(({ process }) => process !== undefined);
  const cuts = columns.find(({ name }) => name === 'cut.t')?.values.length ?? 0;
  const watermark = notes.offsets?.includes('no high watermarks') !== true;
  const offsets = [
    chip('dot ok', 'acknowledged'),
    readers ? chip('line s1', 'read, a colour per process') : '',
    watermark ? chip('line hw', 'high watermark') : '',
    unread.length > 0 ? chip('dot unread', 'never read') : '',
    cuts > 0 ? chip('cut-back', 'log cut back') : '',
  ];
  const lags = [
    ...groupsOf(broker).map((group, i) => chip(`line s${i % SERIES_COLORS}`, `group ${group}`)),
    broker.consumers.some(({ group }) => group === undefined)
      ? chip('line s1', 'a colour per process')
      : '',
  ];
  const brokers = lanes.brokers.map(({ node }, i) => chip(`role s${i % SERIES_COLORS}`, node));
  return [
    panel('offsets', 'Offsets', noted(`offset over time, ${strips}`, notes.offsets), offsets),
    panel(
      'lag',
      'Consumer lag',
      noted('messages behind the end, the highest of each bin; a group by its commits', notes.lag),
      lags,
    ),
    panel(
      'unseen',
      'Unseen messages',
      noted('acknowledged, and returned by no poll yet', notes.unseen),
      [chip('dot unseen', 'unseen'), unread.length > 0 ? chip('dot unread', 'never read') : ''],
    ),
    panel(
      'leaders',
      'Leaders and ISR',
      noted(
        'who leads, by leader epoch; thin bars are in the ISR, pale ones may be elected',
        notes.leaders,
      ),
      brokers,
    ),
  ];
}

function panel(id: string, title: string, unit: string, keys: Content): Markup {
  return html`<figure class="panel"><figcaption><b>${title}</b> <span class="unit">${unit}</span>
    <span class="keys">${keys}</span></figcaption>${canvas(id, `${title}, ${unit}`)}</figure>`;
}

function canvas(id: string, label: string): Markup {
  return html`<div class="plot" id="plot-${id}"><canvas id="${id}" role="img" aria-label="${label}"></canvas></div>`;
}
