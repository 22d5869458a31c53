// The store's front page: all runs in one table, coloured by verdict, newest first. Rows link to each
// run's own report, so a folder of runs can be opened in a browser and walked through.
import type { RunInfo, RunResults } from '../history/run-record.ts';
import { formatCount, formatMs } from './figures.ts';
import { html, Markup } from './html/markup.ts';

/** A stored run. `folder` is relative to the page. Without results it is unfinished or broke. */
export interface StoreRow {
  folder: string;
  info: RunInfo;
  results?: RunResults;
}

const ROWS_MAX = 5_000;

const STYLE = `
:root{color-scheme:light dark;--bg:light-dark(#f7f7f5,#0f1115);--card:light-dark(#fff,#171a20);
--ink:light-dark(#1a1d23,#e9ebef);--soft:light-dark(#5b6370,#9aa4b2);--line:light-dark(#e2e4e8,#2b3038);
--valid:light-dark(#15803d,#4ade80);--invalid:light-dark(#c01048,#ff6b98);--unknown:light-dark(#a15c07,#fbbf24)}
body{margin:0 auto;max-width:1280px;padding:32px 24px;background:var(--bg);color:var(--ink);
font:15px/1.5 ui-sans-serif,system-ui,sans-serif;font-variant-numeric:tabular-nums}
table{width:100%;border-collapse:collapse;background:var(--card);font-size:14px}
th,td{padding:8px 12px;text-align:left;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:500}
.num{text-align:right}a{color:inherit}.valid{--tone:var(--valid)}.invalid{--tone:var(--invalid)}
.unknown{--tone:var(--unknown)}tr>td:first-child{border-left:5px solid var(--tone,var(--soft));color:var(--tone,var(--soft));font-weight:650}
p{color:var(--soft)}`;

/** Renders the page; rows come newest first whatever their order was. */
export function renderStoreIndex(rows: readonly StoreRow[]): string {
  const newest = [...rows].sort((a, b) => (a.info.startedAt < b.info.startedAt ? 1 : -1));
  const shown = newest.slice(0, ROWS_MAX);
  const left = newest.length - shown.length;
  const count = (outcome: string): number =>
    rows.filter((row) => row.results?.outcome === outcome).length;
  const summary =
    `${formatCount(rows.length)} runs: ${count('valid')} valid, ${count('invalid')} invalid, ` +
    `${count('unknown')} unknown.${left > 0 ? ` The oldest ${formatCount(left)} are not listed.` : ''}`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Runs</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${new Markup(STYLE)}</style></head>
<body><h1>Runs</h1><p>${summary}</p>
<table><thead><tr><th>verdict</th><th>started</th><th>run</th><th>nemesis</th><th>cluster</th>
<th class="num">seed</th><th class="num">ops ok</th><th class="num">faults</th><th class="num">recovery max ms</th></tr></thead>
<tbody>${shown.map(storeRow)}</tbody></table></body></html>
`.text;
}

function storeRow({ folder, info, results }: StoreRow): Markup {
  const { config } = info;
  // Percent-encoded per segment, so that no folder's name can leave the attribute or the scheme.
  const link = `./${folder.split('/').map(encodeURIComponent).join('/')}/report.html`;
  const outcome = results?.outcome ?? (info.ended === 'error' ? 'error' : 'unfinished');
  return html`<tr class="${outcome}"><td>${outcome}</td><td>${info.startedAt}</td>
<td><a href="${link}">${config.name}</a></td><td>${config.nemesis}${
    config.mutant === undefined ? '' : `, mutant ${config.mutant}`
  }</td><td>${config.cluster}, ${config.nodes.length} nodes</td><td class="num">${config.seed}</td>
<td class="num">${results === undefined ? '–' : formatCount(results.ops.ok)}</td>
<td class="num">${results === undefined ? '–' : `${results.faults.verified}/${results.faults.injected}`}</td>
<td class="num">${formatMs(results?.recoveryMs.max)}</td></tr>`;
}
