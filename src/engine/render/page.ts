// What self-contained pages and drawings share: safe text, colors for light and dark, and a policy that loads nothing.

import { createHash } from 'node:crypto';
import { hideUserinfo } from '../secrets/credentials.js';
import { cleanLines } from '../files/clean-text.js';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text without control characters and unpaired surrogates, which XML doesn't allow. */
export const plainText = (text: string): string =>
  cleanLines(text)
    .join('\n')
    .replace(/[\ud800-\udfff\ufffe\uffff]/gu, '\ufffd');

/** Text for an element or a quoted attribute in HTML and XML. */
export const escapeMarkup = (text: string): string =>
  plainText(text).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

/** For text from a run: also hides the user and password of URLs. */
export const escapeReported = (text: string): string => escapeMarkup(hideUserinfo(text));

/** Each color in the light scheme and in the dark one. */
const COLORS = {
  back: ['#f7f8f9', '#14171b'],
  panel: ['#ffffff', '#1d2228'],
  ink: ['#1b2026', '#e7eaee'],
  muted: ['#59636e', '#9aa5b1'],
  line: ['#cfd5dc', '#3a434d'],
  accent: ['#1f5fbf', '#7eb0ff'],
  good: ['#1f7a45', '#5fca8c'],
  bad: ['#b3261e', '#ff8f86'],
  warn: ['#8a5700', '#f0b85c'],
} as const;

/** Colors for groups. A text names each group as well. */
const GROUP_COLORS = [
  ['#1f5fbf', '#7eb0ff'],
  ['#b4541a', '#f0945c'],
  ['#1f7a45', '#5fca8c'],
  ['#8a3fa0', '#d195e6'],
  ['#8f6b00', '#dcbb4f'],
  ['#0b7a86', '#5cc7d1'],
] as const;

export interface Palette extends Readonly<Record<keyof typeof COLORS, string>> {
  readonly scheme: 'light' | 'dark';
  readonly groups: readonly string[];
}

const SCHEMES = ['light', 'dark'] as const;
const [LIGHT, DARK] = SCHEMES.map((scheme, which): Palette => {
  const colors = Object.entries(COLORS).map(([name, pair]) => [name, pair[which]]);
  return { scheme, ...Object.fromEntries(colors), groups: GROUP_COLORS.map((pair) => pair[which]!) };
}) as [Palette, Palette];

/** The number of colors. Further groups have none. */
export const GROUP_COUNT = GROUP_COLORS.length;

/** Rules for both schemes. They use no CSS variables, which many SVG viewers don't support. */
export const inBothSchemes = (rules: (palette: Palette) => string): string =>
  `${rules(LIGHT)}\n@media screen and (prefers-color-scheme: dark) {\n${rules(DARK)}\n}`;

export const MONOSPACE = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

export interface Page {
  readonly title: string;
  readonly style: string;
  /** Markup. */
  readonly body: string;
  /** The only script that can run. */
  readonly script?: string;
}

export function renderPage({ title, style, body, script }: Page): string {
  const css = `\n${inBothSchemes(frameRules)}\n${FRAME}\n${style}\n`;
  const policy = [
    "default-src 'none'",
    `style-src '${digestOf(css)}'`,
    ...(script === undefined ? [] : [`script-src '${digestOf(script)}'`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeMarkup(title)}</title>
<style>${css}</style>
</head>
<body>
${body}
${script === undefined ? '' : `<script>${script}</script>\n`}</body>
</html>
`;
}

const digestOf = (text: string): string => `sha256-${createHash('sha256').update(text).digest('base64')}`;

const frameRules = ({ scheme, back, panel, ink, muted, line, accent }: Palette): string => `
:root { color-scheme: ${scheme}; }
body { background: ${back}; color: ${ink}; }
a { color: ${accent}; }
.muted, th { color: ${muted}; }
.panel { background: ${panel}; border-color: ${line}; }
td, th { border-color: ${line}; }
:focus-visible { outline-color: ${accent}; }`;

const FRAME = `
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; }
h1 { font-size: 1.35rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 0.6rem; }
code, pre, .code { font-family: ${MONOSPACE}; font-size: 0.87em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
.panel { border-width: 1px; border-style: solid; border-radius: 8px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 0.75rem; border-bottom-width: 1px; border-bottom-style: solid; }
th { font-size: 0.8rem; font-weight: 600; white-space: nowrap; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; }
:focus-visible { outline-width: 2px; outline-style: solid; outline-offset: 2px; }`;
