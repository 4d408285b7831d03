// Compares two key records and lists all differences, for `why`, `plan` and cache misses.

import type { JSONValue } from '../../manifests/json-schema.js';
import type { KeyDifference, PackageChange } from '../events.js';
import { readSpelledMode, spellMode, FOLDER_MODE } from '../files/modes.js';
import type { KeyRecord } from '../store/store.js';

/** Names the nodes that made some of the layers at a port. */
export type MakersOf = (port: string, digests: readonly string[]) => readonly string[];

/** Name of the field, input or fact that holds packages, as an object from name to version. */
const PACKAGES = 'packages';

/** What a comparison of records looks up elsewhere. */
export interface Lookups {
  readonly makers?: MakersOf;
  /** The packages that differ between two builders. */
  readonly packages?: (from: string, to: string) => readonly PackageChange[];
}

/** All differences, in the order of the record. */
export function differences(before: KeyRecord, after: KeyRecord, lookups: Lookups = {}): readonly KeyDifference[] {
  const { makers = () => [] } = lookups;
  // Destructured, so that a new field that is not compared does not compile.
  const {
    format,
    kind,
    revision,
    code,
    config,
    values,
    facts,
    env,
    secrets,
    platform,
    files,
    exists,
    builder,
    trees,
    tools,
    scope,
    ...rest
  } = after;
  rest satisfies Record<string, never>;
  return [
    ...ifDifferent(before.format, format, { type: 'key-format-changed', from: before.format, to: format }),
    ...ifDifferent(before.kind, kind, { type: 'kind-changed', from: before.kind, to: kind }),
    ...ifDifferent(before.revision, revision, { type: 'plugin-revised', from: before.revision, to: revision }),
    ...ifDifferent(before.code, code, { type: 'plugin-code-changed' }),
    ...changedValues(before.config, config).map((change) => ({ type: 'config-changed' as const, ...change })),
    ...changedInputs(before.values, values),
    ...changedFacts(before.facts, facts),
    ...changedVariables(before.env, env),
    ...changedSecrets(before.secrets, secrets),
    ...changedPlatform(before.platform, platform),
    ...(before.builder === builder ? [] : [builderChange(before.builder, builder, lookups)]),
    ...changedFiles(before.files, files),
    ...changedPresence(before.exists, exists),
    ...changedLayers(before.trees, trees, makers),
    ...changedTools(before.tools, tools, makers),
    ...ifDifferent(before.scope, scope, { type: 'scope-changed', from: before.scope, to: scope }),
  ];
}

const ifDifferent = <Value>(before: Value, after: Value, difference: KeyDifference): readonly KeyDifference[] =>
  before === after ? [] : [difference];

type Table<Value> = Readonly<Record<string, Value>>;

/** Names in either table whose values differ, sorted. */
function changedNames<Value>(before: Table<Value>, after: Table<Value>): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

/** A side without a value is absent. */
interface FromTo {
  readonly from?: JSONValue;
  readonly to?: JSONValue;
}
interface ChangedValue extends FromTo {
  readonly field: string;
}

const fromTo = <Value>(from: Value | undefined, to: Value | undefined) => ({
  ...(from === undefined ? {} : { from }),
  ...(to === undefined ? {} : { to }),
});

/** Descends into objects, and into arrays of the same number of objects. */
function changedValues(
  before: JSONValue | undefined,
  after: JSONValue | undefined,
  field = '',
): readonly ChangedValue[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (isTable(before) && isTable(after)) {
    return changedNames(before, after).flatMap((name) => changedValues(before[name], after[name], below(field, name)));
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length && before.every(isTable)) {
    return after.flatMap((item: JSONValue, index) => changedValues(before[index], item, `${field}[${index}]`));
  }
  return [{ field, ...fromTo(before, after) }];
}

function below(field: string, name: string): string {
  if (!/^[\w-]+$/.test(name)) return `${field}[${JSON.stringify(name)}]`;
  return field === '' ? name : `${field}.${name}`;
}

const isTable = (value: JSONValue | undefined): value is Table<JSONValue> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function changedInputs(before: Table<JSONValue>, after: Table<JSONValue>): readonly KeyDifference[] {
  return changedNames(before, after).flatMap((port): readonly KeyDifference[] => {
    const packages = port === PACKAGES ? changedPackages(before[port], after[port]) : undefined;
    const changes = (): readonly ChangedValue[] => changedValues(before[port], after[port]);
    return packages ?? changes().map((change) => ({ type: 'input-changed', port, ...change }));
  });
}

/** Packages come first, because they explain the most. */
function changedFacts(before: JSONValue, after: JSONValue): readonly KeyDifference[] {
  const [old, now] = [before, after].map((facts) => (facts === null ? {} : facts)) as [JSONValue, JSONValue];
  const packages = isTable(old) && isTable(now) ? changedPackages(old[PACKAGES], now[PACKAGES]) : undefined;
  const [oldRest, nowRest] = packages === undefined ? [old, now] : [old, now].map(withoutPackages);
  return [
    ...(packages ?? []),
    ...changedValues(oldRest, nowRest).map((change) => ({ type: 'fact-changed' as const, ...change })),
  ];
}

function withoutPackages(facts: JSONValue): JSONValue {
  const { [PACKAGES]: _packages, ...rest } = facts as Table<JSONValue>;
  return rest;
}

/** Undefined if one of the values does not hold packages. */
function changedPackages(
  before: JSONValue | undefined = {},
  after: JSONValue | undefined = {},
): readonly KeyDifference[] | undefined {
  if (!isVersions(before) || !isVersions(after)) return undefined;
  return changedNames(before, after).map((name): KeyDifference => {
    const [from, to] = [before[name], after[name]];
    if (from === undefined) return { type: 'package-added', name, version: to! };
    return to === undefined
      ? { type: 'package-removed', name, version: from }
      : { type: 'package-changed', name, from, to };
  });
}

const isVersions = (value: JSONValue): value is Table<string> =>
  isTable(value) && Object.values(value).every((version) => typeof version === 'string');

const changedVariables = (before: KeyRecord['env'], after: KeyRecord['env']): readonly KeyDifference[] =>
  changedNames(before, after).map((name) => {
    if (before[name] === undefined) return { type: 'variable-added', name };
    return { type: after[name] === undefined ? 'variable-removed' : 'variable-changed', name };
  });

function changedSecrets(before: KeyRecord['secrets'], after: KeyRecord['secrets']): readonly KeyDifference[] {
  return changedNames(before, after).flatMap((name): readonly KeyDifference[] => {
    const [old, now] = [before[name], after[name]];
    if (old === undefined || now === undefined) return [{ type: now ? 'secret-added' : 'secret-removed', name }];
    const { isSet: wasSet, ...oldRest } = old;
    const { isSet, ...nowRest } = now;
    return [
      ...ifDifferent(wasSet, isSet, { type: isSet ? 'secret-set' : 'secret-unset', name }),
      ...changedValues(oldRest, nowRest).map((change) => ({ type: 'secret-changed' as const, name, ...change })),
    ];
  });
}

const changedPlatform = (before: KeyRecord['platform'], after: KeyRecord['platform']): readonly KeyDifference[] =>
  changedNames(before, after).map((name) => ({
    type: 'platform-changed',
    name,
    ...fromTo(before[name], after[name]),
  }));

export const builderChange = (
  from: string | undefined,
  to: string | undefined,
  { packages = () => [] }: Lookups,
): KeyDifference => ({
  type: 'builder-changed',
  ...fromTo(from, to),
  packages: from === undefined || to === undefined ? [] : packages(from, to),
});

function changedFiles(before: KeyRecord['files'], after: KeyRecord['files']): readonly KeyDifference[] {
  const names = changedNames(before, after);
  const isFolder = (path: string): boolean => path.endsWith('/');
  const [old, now] = names.some(isFolder) ? [foldersOf(before), foldersOf(after)] : [];
  return names.flatMap((path) => {
    if (!isFolder(path)) return changedFile(path, before[path], after[path]);
    // A folder that was added or removed shows in its files.
    return old?.has(path) === true && now?.has(path) === true ? changedFolder(path, before[path], after[path]) : [];
  });
}

/** Every folder above a path, with a slash at its end. */
const foldersOf = (files: KeyRecord['files']): Set<string> =>
  new Set(Object.keys(files).flatMap((path) => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index + 1))));

/** Records hold a folder only if its mode is not 0755. */
const changedFolder = (
  path: string,
  before: string | undefined,
  after: string | undefined,
): readonly KeyDifference[] => {
  const modeOf = (spelled: string | undefined): string =>
    spelled === undefined ? spellMode(FOLDER_MODE) : readSpelledMode(` ${spelled}`);
  return [{ type: 'file-mode-changed', path, from: modeOf(before), to: modeOf(after) }];
};

function changedFile(path: string, before: string | undefined, after: string | undefined): readonly KeyDifference[] {
  if (before === undefined) return [{ type: 'file-added', path }];
  if (after === undefined) return [{ type: 'file-removed', path }];
  const [old, now] = [readEntry(before), readEntry(after)];
  if ('target' in old && 'target' in now) return [{ type: 'link-changed', path, from: old.target, to: now.target }];
  if ('target' in old || 'target' in now) return [{ type: 'file-changed', path }];
  return [
    ...ifDifferent(old.digest, now.digest, { type: 'file-changed', path }),
    ...ifDifferent(old.mode, now.mode, { type: 'file-mode-changed', path, from: old.mode, to: now.mode }),
  ];
}

/** A record spells a link as `-> target`, and a file as its digest followed by its permissions. */
function readEntry(spelled: string): { readonly target: string } | { readonly digest: string; readonly mode: string } {
  if (spelled.startsWith('-> ')) return { target: spelled.slice('-> '.length) };
  const end = spelled.indexOf(' ');
  const digest = end < 0 ? spelled : spelled.slice(0, end);
  return { digest, mode: readSpelledMode(spelled.slice(digest.length)) };
}

const changedPresence = (before: KeyRecord['exists'], after: KeyRecord['exists']): readonly KeyDifference[] =>
  changedNames(before, after).map((path) => ({ type: 'presence-changed', path, ...fromTo(before[path], after[path]) }));

function changedLayers(
  before: KeyRecord['trees'],
  after: KeyRecord['trees'],
  makers: MakersOf,
): readonly KeyDifference[] {
  return changedNames(before, after).map((port): KeyDifference => {
    const { added, isAnyGone } = compareDigests(before[port], after[port]);
    if (added.length === 0) return { type: isAnyGone ? 'layer-removed' : 'layers-reordered', port };
    return { type: isAnyGone ? 'layer-changed' : 'layer-added', port, nodes: makers(port, added) };
  });
}

function changedTools(
  before: KeyRecord['tools'],
  after: KeyRecord['tools'],
  makers: MakersOf,
): readonly KeyDifference[] {
  return changedNames(before, after).map((port): KeyDifference => {
    if (after[port] === undefined) return { type: 'tool-removed', port };
    const { added } = compareDigests(before[port], after[port]);
    return {
      type: before[port] === undefined ? 'tool-added' : 'tool-changed',
      port,
      nodes: makers(port, added),
    };
  });
}

function compareDigests(before: readonly string[] = [], after: readonly string[] = []) {
  return {
    added: after.filter((digest) => !before.includes(digest)),
    isAnyGone: before.some((digest) => !after.includes(digest)),
  };
}
