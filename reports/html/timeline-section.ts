// The frame of the timeline: toolbar, legends, and one empty canvas per panel on the shared axis.
// The page's script finds each by its id and draws.

import { type Content, html, type Markup } from './markup.ts';
import { OUTCOMES, type PageData } from './page-data.ts';

const QUANTILES = ['p50', 'p95', 'p99', 'max'];
const ROLES = ['leading', 'following', 'looking', 'starting', 'down'];

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
    ${panel('nodes', 'Nodes', 'role of each node; the crown is an established leader', key('role', ROLES))}
    ${panel('processes', 'Processes', 'a bar per operation; an open one runs off to the right', '')}
    <p id="loading" class="note" role="status">Reading the operations…</p>
    <div id="crosshair" hidden></div><div id="brush" hidden></div>
  </div>
  <div id="tooltip" role="tooltip" hidden></div>
  <aside id="detail" aria-label="Details" aria-live="polite" hidden></aside>
  <noscript><p class="note">The timeline is drawn by a script; the rest of this page needs none.</p></noscript>
  </section>`;
}

function panel(id: string, title: string, unit: string, keys: Content): Markup {
  return html`<figure class="panel"><figcaption><b>${title}</b> <span class="unit">${unit}</span>
    <span class="keys">${keys}</span></figcaption>${canvas(id, `${title}, ${unit}`)}</figure>`;
}

function canvas(id: string, label: string): Markup {
  return html`<div class="plot" id="plot-${id}"><canvas id="${id}" role="img" aria-label="${label}"></canvas></div>`;
}
