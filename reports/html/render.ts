// A run as one HTML file that opens anywhere: no server, no network, everything inside. Text is
// written here, drawing is done by the bundled script of client/ from the compressed operations.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildSync, transformSync } from 'esbuild';
import type { FinishedRun } from '../../history/run-record.ts';
import { encodeTable } from './columns.ts';
import { html, Markup } from './markup.ts';
import { type PageData, pageData } from './page-data.ts';
import {
  anomaliesSection,
  appendixSection,
  faultsSection,
  guaranteesSection,
  headerSection,
  latencySection,
  unreadSection,
} from './sections.ts';
import { timelineSection } from './timeline-section.ts';

interface Assets {
  script: string;
  style: string;
  /** Allows exactly this script and this style, and no request at all. */
  policy: string;
}

let assets: Assets | undefined;

/** Renders the whole report. */
export function renderHtml(run: FinishedRun): string {
  const { script, style, policy } = (assets ??= bundleAssets());
  const data = pageData(run);
  const { config } = run.info;
  const title = `${run.results.outcome.toUpperCase()} ${config.name} seed ${config.seed}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<main>
${headerSection(run)}
${guaranteesSection(run)}
${anomaliesSection(run, data)}
${timelineSection(data)}
${unreadSection(data)}
${faultsSection(run)}
${latencySection(run)}
${appendixSection(run, data)}
</main>
<script type="application/octet-stream" id="run-data">${new Markup(embed(data))}</script>
<script>${new Markup(script)}</script>
</body>
</html>
`;
  return page.text;
}

// Base64 has no character that HTML could take for its own.
function embed(data: PageData): string {
  return gzipSync(encodeTable(data.meta, data.columns), { level: 9 }).toString('base64');
}

function bundleAssets(): Assets {
  const path = (name: string): string => fileURLToPath(new URL(`client/${name}`, import.meta.url));
  const built = buildSync({
    entryPoints: [path('main.ts')],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    charset: 'ascii',
    logLevel: 'silent',
  });
  const script = built.outputFiles[0]!.text;
  const css = readFileSync(path('style.css'), 'utf8');
  const style = transformSync(css, { loader: 'css', minify: true, charset: 'ascii' }).code;
  for (const [name, text] of Object.entries({ script, style })) {
    if (/<\/(script|style)/i.test(text))
      throw new Error(`the page's ${name} would end its element`);
  }
  const hash = (text: string): string =>
    `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}`;
  return { script, style, policy };
}
