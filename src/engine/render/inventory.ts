// The text of an inventory: packages with their size and with what brought them, licences, totals.

import type { Inventory, InventoryPackage } from '../inspect/inventory.js';
import type { Comparison } from '../inspect/compare.js';
import { licenseText } from '../inspect/license-name.js';
import { cleanText } from '../files/clean-text.js';
import { countOf, formatBytes, formatCount, table } from './messages.js';

/** Names that are shown where there may be many. */
const SHOWN = 10;

export function inventoryText(inventory: Inventory, comparison?: Comparison): string {
  const compared = comparison === undefined ? [] : comparisonLines(comparison);
  const sections = [
    heading(inventory),
    packageLines(inventory),
    licenseLines(inventory),
    compared,
    problemLines(inventory),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.map((line) => cleanText(line)).join('\n')}\n`)
    .join('\n');
}

function heading({ slug, run, python, system, packages, unowned, app }: Inventory): readonly string[] {
  const { provider, requested, origin } = run?.python ?? {};
  const from = [
    ...(provider === undefined ? [] : [`from ${provider}`]),
    ...(requested === undefined ? [] : [`${requested} requested${origin === undefined ? '' : ` by ${origin}`}`]),
  ].join(', ');
  const packaged = packages.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    ...table([
      ['Slug', `${formatCount(slug.files)} files, ${formatBytes(slug.bytes)}, ${slug.digest.slice(0, 12)}`],
      ...(run === undefined ? [] : [['Run', `${run.id}, pipeline ${run.pipeline}`]]),
      ['Python', `${python.version}${from === '' ? '' : ` (${from})`}, ${formatBytes(python.bytes)}`],
      ['Packages', `${formatCount(packages.length)}, ${formatBytes(packaged)}`],
      ...(unowned.files === 0 ? [] : [['Of no package', amount(unowned)]]),
      ['App', amount(app)],
      ...(run === undefined || run.tools.length === 0
        ? []
        : [['Tools', run.tools.map(({ name, version }) => `${name} ${version}`).join(', ')]]),
      ...(system.length === 0 ? [] : [['System', system.map(({ name, version }) => `${name} ${version}`).join(', ')]]),
    ]),
  ];
}

const amount = ({ files, bytes }: Inventory['app']): string => `${countOf(files, 'file')}, ${formatBytes(bytes)}`;

/** Largest first. */
const packageLines = ({ packages }: Inventory): readonly string[] =>
  packages.length === 0
    ? []
    : [
        'Packages:',
        ...table(
          [...packages]
            .sort((a, b) => b.bytes - a.bytes)
            .map((one) => [`  ${one.name} ${one.version}`, formatBytes(one.bytes), blameOf(one)]),
        ),
      ];

/** `<- sentence-transformers <- app`, nearest first. */
export const blameOf = ({ via }: Pick<InventoryPackage, 'via'>): string =>
  [...via]
    .reverse()
    .map((name) => `<- ${name}`)
    .join(' ');

function licenseLines({ packages }: Inventory): readonly string[] {
  const byLicense = new Map<string, string[]>();
  for (const one of packages) {
    const text = licenseText(one.license) ?? 'unknown';
    byLicense.set(text, [...(byLicense.get(text) ?? []), one.name]);
  }
  const rows = [...byLicense].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  return rows.length === 0
    ? []
    : ['Licences:', ...table(rows.map(([text, names]) => [`  ${text}`, `${names.length}`, listed(names)]))];
}

const listed = (names: readonly string[]): string =>
  names.length <= SHOWN ? names.join(', ') : `${names.slice(0, SHOWN).join(', ')} and ${names.length - SHOWN} more`;

function problemLines({ slug, packages }: Inventory): readonly string[] {
  const lines = packages.flatMap(({ name, problems, mismatches, needs }) => [
    ...problems.map((problem) => `  ${name}: ${problem}`),
    ...needs
      .filter(({ isMet }) => !isMet)
      .map(({ text, installed }) => `  ${name}: it requires ${text}, but ${installed ?? 'nothing'} is installed`),
    ...(mismatches.length === 0
      ? []
      : [
          `  ${name}: ${countOf(mismatches.length, 'file')} not as in its RECORD: ${listed(mismatches.map(mismatchText))}`,
        ]),
  ]);
  const altered = slug.altered.length === 0 ? [] : [`  changed since the run wrote the slug: ${listed(slug.altered)}`];
  return lines.length + altered.length === 0 ? [] : ['Problems:', ...altered, ...lines];
}

const mismatchText = ({ path, problem }: InventoryPackage['mismatches'][number]): string => `${path} (${problem})`;

function comparisonLines(comparison: Comparison): readonly string[] {
  const { against, bytes } = comparison;
  const lines = growthLines(comparison);
  return [
    `Against ${against}: ${formatBytes(bytes.from)} -> ${formatBytes(bytes.to)}`,
    ...(lines.length === 0 ? ['  the same packages'] : lines.map((line) => `  ${line}`)),
  ];
}

/** What was added, removed, changed or grew, largest growth first. */
export function growthLines({ packages, python = 0, app = 0 }: Comparison): readonly string[] {
  const rest = [
    ...(python === 0 ? [] : [['Python', '', signed(python)]]),
    ...(app === 0 ? [] : [['App', '', signed(app)]]),
  ];
  const rows = packages.map(({ key, from, to, grown }) => [
    key,
    from === undefined ? `added ${to}` : to === undefined ? `removed ${from}` : from === to ? from : `${from} -> ${to}`,
    grown === undefined ? '' : signed(grown),
  ]);
  return table([...rows, ...rest]).map((line) => cleanText(line));
}

const signed = (bytes: number): string => (bytes < 0 ? `-${formatBytes(-bytes)}` : `+${formatBytes(bytes)}`);

/** The largest parts of a slug, with what brought them. */
export function largestParts({ packages, python, app, unowned }: Inventory, most: number): readonly string[] {
  const parts = [
    ...packages.map((one) => ({ name: `${one.name} ${one.version}`, bytes: one.bytes, blame: blameOf(one) })),
    { name: `Python ${python.version}`, bytes: python.bytes, blame: '' },
    { name: 'the app', bytes: app.bytes, blame: '' },
    { name: 'files of no package', bytes: unowned.bytes, blame: '' },
  ];
  const largest = parts.sort((a, b) => b.bytes - a.bytes).slice(0, most);
  return table(largest.map(({ name, bytes, blame }) => [name, formatBytes(bytes), blame])).map((line) =>
    cleanText(line),
  );
}
