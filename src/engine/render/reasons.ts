// Why a node has its outcome, in sentences. Everything that shows reasons to people takes them from here.

import type { JSONValue } from '../../manifests/json-schema.js';
import type { Circumstance, KeyDifference, PackageChange, Reason } from '../events.js';
import { escapeUnsafe } from '../files/shown-path.js';

const MAX_VALUE = 60;
const MAX_NAME = 100;
/** What stays in front of the first difference of two long values. */
const CONTEXT = 20;
const SHOWN_ITEMS = 3;

/** One sentence for each reason. A reason does not compile until it has one. */
const SENTENCES: { readonly [Type in Reason['type']]: (reason: Extract<Reason, { type: Type }>) => string } = {
  'key-format-changed': ({ from, to }) => `pyflow's key format ${from} -> ${to}`,
  'plugin-revised': ({ from, to }) => `plugin revision ${from} -> ${to}`,
  'plugin-code-changed': () => 'the code of the plugin changed',
  'kind-changed': ({ from, to }) => `kind ${pair(from, to)}`,
  'config-changed': ({ field, ...values }) => valueChange(`config ${field}`, values),
  'fact-changed': ({ field, ...values }) => valueChange(field === '' ? 'facts' : field, values),
  'input-changed': ({ port, field, ...values }) => valueChange(`input ${below(port, field)}`, values),
  'package-added': ({ name, version }) => `${[name, version].map(shownName).join(' ').trim()} was added`,
  'package-removed': ({ name }) => `${shownName(name)} was removed`,
  'package-changed': ({ name, from, to }) => `${shownName(name)} ${pair(orAny(from), orAny(to))}`,
  'variable-added': ({ name }) => `the variable ${shownName(name)} was set`,
  'variable-removed': ({ name }) => `the variable ${shownName(name)} was unset`,
  'variable-changed': ({ name }) => `the variable ${shownName(name)} changed`,
  'secret-added': ({ name }) => `the node now uses the secret ${shownName(name)}`,
  'secret-removed': ({ name }) => `the node no longer uses the secret ${shownName(name)}`,
  'secret-set': ({ name }) => `the secret ${shownName(name)} was set`,
  'secret-unset': ({ name }) => `the secret ${shownName(name)} was unset`,
  'secret-changed': ({ name, field, ...values }) => valueChange(`${field} of the secret ${name}`, values),
  'platform-changed': platformChange,
  'builder-changed': builderChange,
  'file-added': ({ path }) => `${shownName(path)} was added`,
  'file-removed': ({ path }) => `${shownName(path)} was removed`,
  'file-changed': ({ path }) => `${shownName(path)} changed`,
  'file-mode-changed': modeChange,
  'link-changed': ({ path, to }) => `the link ${shownName(path)} now points to ${shownName(to)}`,
  'presence-changed': presenceChange,
  'layer-added': ({ port, nodes }) => `${layersOf(port, nodes)} ${nodes.length > 1 ? 'were' : 'was'} added`,
  'layer-changed': ({ port, nodes }) => `${layersOf(port, nodes)} changed`,
  'layer-removed': ({ port }) => `a layer was removed from input ${shownName(port)}`,
  'layers-reordered': ({ port }) => `the order of the layers at input ${shownName(port)} changed`,
  'tool-added': ({ port, nodes }) => `${toolOf(port, nodes)} was added`,
  'tool-changed': ({ port, nodes }) => `${toolOf(port, nodes)} changed`,
  'tool-removed': ({ port }) => `the tool at input ${shownName(port)} was removed`,
  'scope-changed': scopeChange,
  'hidden-value-changed': () => 'a masked value changed',
  'first-run': () => 'first run of this app',
  'new-node': () => 'new node',
  'skipped-before': () => 'skipped in the last run',
  'refresh-requested': () => 'a refresh was requested',
  'side-effects': () => 'it has side effects, so it runs every time',
  'never-cached': () => 'results of this node are never cached',
  'inputs-changed': ({ evictedAt }) =>
    evictedAt === undefined
      ? 'inputs changed, but the earlier result to compare with is missing from the cache'
      : `inputs changed, but the earlier result to compare with was evicted on ${shownTime(evictedAt)}`,
  evicted: ({ at }) => `the result was evicted on ${shownTime(at)}`,
  expired: ({ at }) => `the result expired on ${shownTime(at)}`,
  'missing-from-cache': () => 'the result is missing from the cache',
  'bound-to-other-host': () => 'the result can be used only on the machine that made it',
  'result-lost': () => 'a file of the result is missing from the cache',
  'needs-node': ({ node }) => `needs ${shownName(node)}`,
  'outcome-changed': ({ from, to }) => `outcome ${pair(from, to)}`,
};

/** No digests, no value of a variable, nothing that could leave its line or move the cursor. */
export function formatReason(reason: Reason): string {
  const sentence = SENTENCES[reason.type] as (reason: Reason) => string;
  return sentence(reason);
}

/** A line for each reason. Different reasons can read the same: a layer that reaches a node by two inputs is named once. */
export const reasonLines = (reasons: readonly Reason[]): readonly string[] => [...new Set(reasons.map(formatReason))];

/** The first reasons on one line. */
export function formatReasons(reasons: readonly Reason[], shown = 2): string {
  const lines = new Set<string>();
  let used = 0;
  // Thousands of files can change, and only the first sentences are shown.
  for (const reason of reasons) {
    const line = formatReason(reason);
    if (lines.size === shown && !lines.has(line)) break;
    lines.add(line);
    used += 1;
  }
  const rest = reasons.length - used;
  return [...lines, ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}

const CIRCUMSTANCES: Readonly<Record<Circumstance['type'], true>> = {
  'first-run': true,
  'new-node': true,
  'skipped-before': true,
  'refresh-requested': true,
  'side-effects': true,
  'never-cached': true,
  'inputs-changed': true,
  evicted: true,
  expired: true,
  'missing-from-cache': true,
  'bound-to-other-host': true,
  'result-lost': true,
  'needs-node': true,
  'outcome-changed': true,
};

/** Whether the reason names something that is not as it was when the node last ran. */
export const isDifference = (reason: Reason): reason is KeyDifference => !(reason.type in CIRCUMSTANCES);

interface FromTo {
  readonly from?: JSONValue;
  readonly to?: JSONValue;
}

function valueChange(label: string, { from, to }: FromTo): string {
  const name = shownName(label.trim());
  if (isDigest(from ?? to)) return `${name} changed`;
  if (from === undefined) return to === undefined ? `${name} changed` : `${name} was set to ${shownValue(to)}`;
  if (to === undefined) return `${name} is no longer set (was ${shownValue(from)})`;
  return isList(from) && isList(to) ? listChange(name, from, to) : `${name} ${pair(plainValue(from), plainValue(to))}`;
}

const isDigest = (value: JSONValue | undefined): boolean =>
  typeof value === 'string' && /^(?:sha256:)?[0-9a-f]{40,}(?:\/\d+)?$/.test(value);

/** An array of texts, numbers and the like. */
const isList = (value: JSONValue): value is readonly JSONValue[] =>
  Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null);

function listChange(name: string, from: readonly JSONValue[], to: readonly JSONValue[]): string {
  const places = from.flatMap((item, index) => (item === to[index] ? [] : [index]));
  if (from.length === to.length && places.length === 1) {
    const [at] = places as [number];
    return `${name}[${at}] ${pair(plainValue(from[at]!), plainValue(to[at]!))}`;
  }
  const parts = [
    ...itemsOnlyIn(to, from).map((items) => `added ${items}`),
    ...itemsOnlyIn(from, to).map((items) => `removed ${items}`),
  ];
  return parts.length === 0 ? `the order of ${name} changed` : `${name}: ${parts.join(', ')}`;
}

/** Empty when there are none. An item that is there twice counts twice. */
function itemsOnlyIn(list: readonly JSONValue[], other: readonly JSONValue[]): readonly string[] {
  const counts = new Map<JSONValue, number>();
  for (const item of other) counts.set(item, (counts.get(item) ?? 0) + 1);
  const items = list.filter((item) => {
    const count = counts.get(item) ?? 0;
    counts.set(item, count - 1);
    return count <= 0;
  });
  if (items.length === 0) return [];
  const more = items.length > SHOWN_ITEMS ? [`${items.length - SHOWN_ITEMS} more`] : [];
  return [inWords([...items.slice(0, SHOWN_ITEMS).map(shownValue), ...more])];
}

function platformChange({ name, ...values }: Extract<Reason, { type: 'platform-changed' }>): string {
  if (name !== 'network') return valueChange(`platform ${name}`, values);
  return values.to === undefined ? 'the node can no longer use the network' : 'the node can now use the network';
}

function builderChange({ from, to, packages }: Extract<Reason, { type: 'builder-changed' }>): string {
  const name = (id: string): string | undefined => (id.startsWith('name:') ? id.slice('name:'.length) : undefined);
  const [before, after] = [from, to].map((id) => id && name(id));
  if (before !== undefined && after !== undefined) return `builder ${pair(before, after)}`;
  if (packages.length === 0) return 'the programs of the machine changed';
  const changes = packages.map(packageChange);
  const more = changes.length > SHOWN_ITEMS ? [`${changes.length - SHOWN_ITEMS} more`] : [];
  return `packages of the machine: ${inWords([...changes.slice(0, SHOWN_ITEMS), ...more])}`;
}

function packageChange({ name, from, to }: PackageChange): string {
  if (from === undefined) return `${shownName(name)} was added`;
  return to === undefined ? `${shownName(name)} was removed` : `${shownName(name)} ${pair(from, to)}`;
}

function modeChange({ path, from, to }: Extract<Reason, { type: 'file-mode-changed' }>): string {
  const name = shownName(path);
  if (from === '0644' && to === '0755') return `${name} is now executable`;
  if (from === '0755' && to === '0644') return `${name} is no longer executable`;
  return `the mode of ${name} changed from ${shownName(from)} to ${shownName(to)}`;
}

function presenceChange({ path, from, to }: Extract<Reason, { type: 'presence-changed' }>): string {
  const name = shownName(path);
  if (from === undefined) return `the node now checks whether ${name} exists`;
  if (to === undefined) return `the node no longer checks whether ${name} exists`;
  return to ? `${name} exists now` : `${name} no longer exists`;
}

function scopeChange({ from, to }: Extract<Reason, { type: 'scope-changed' }>): string {
  if (from === '') return 'the result can no longer be shared with other apps';
  return to === '' ? 'the result can now be shared with other apps' : `app id ${pair(from, to)}`;
}

function layersOf(port: string, nodes: readonly string[]): string {
  if (nodes.length === 0) return `the layer at input ${shownName(port)}`;
  return `the ${nodes.length > 1 ? 'layers' : 'layer'} of ${inWords(nodes.map(shownName))}`;
}

const toolOf = (port: string, nodes: readonly string[]): string =>
  nodes.length === 0 ? `the tool at input ${shownName(port)}` : `the tool of ${inWords(nodes.map(shownName))}`;

const inWords = (items: readonly string[]): string =>
  items.length > 1 ? `${items.slice(0, -1).join(', ')} and ${items.at(-1)}` : (items[0] ?? '');

const below = (name: string, field: string): string =>
  field === '' || field.startsWith('[') ? `${name}${field}` : `${name}.${field}`;

const orAny = (version: string): string => (version === '' ? 'any version' : version);

/** `2026-11-30T12:00:00.000Z` as `2026-11-30 12:00 UTC`. */
const shownTime = (iso: string): string => `${shownName(iso).slice(0, 10)} ${shownName(iso).slice(11, 16)} UTC`;

/** Long names keep their end, where a path says most. */
function shownName(name: string): string {
  const characters = [...escapeUnsafe(name)];
  return characters.length > MAX_NAME ? `…${characters.slice(1 - MAX_NAME).join('')}` : characters.join('');
}

/** Texts without blanks stand as they are. */
const plainValue = (value: JSONValue): string =>
  typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value);

const shownValue = (value: JSONValue): string => cut([...escapeUnsafe(plainValue(value))]);

const cut = (characters: readonly string[]): string =>
  characters.length > MAX_VALUE ? `${characters.slice(0, MAX_VALUE - 1).join('')}…` : characters.join('');

/** Two texts; of long ones the part where they begin to differ. */
function pair(from: string, to: string): string {
  const [before, after] = [[...escapeUnsafe(from)], [...escapeUnsafe(to)]];
  let same = 0;
  while (same < before.length && before[same] === after[same]) same += 1;
  const isLong = Math.max(before.length, after.length) > MAX_VALUE && same > CONTEXT;
  const shown = [before, after].map((text) => cut(isLong ? ['…', ...text.slice(same - CONTEXT)] : text));
  return shown.join(' -> ');
}
