// Names every field in which two key records differ: what `why`, `plan` and a miss say. Unaware of how keys are hashed.

import type { JSONValue } from '../../manifests/json-schema.js';
import type { Reason } from '../events.js';
import type { KeyRecord } from '../store/store.js';

const SHOWN_VALUE = 60;

/** Names the nodes whose layers are among some digests at a port. */
export type MakersOf = (port: string, digests: readonly string[]) => readonly string[];

/** All differences, in the order of the record; not just the first. */
export function differences(before: KeyRecord, after: KeyRecord, makers: MakersOf = () => []): readonly Reason[] {
  // Destructured, so that a field which is added and not compared does not compile.
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
    trees,
    tools,
    scope,
    ...rest
  } = after;
  rest satisfies Record<string, never>;
  return [
    ...compare('key format', before.format, format),
    ...compare('kind', before.kind, kind),
    ...compare('plugin revision', before.revision, revision),
    ...compare('plugin code', short(before.code ?? ''), short(code ?? '')),
    ...compare('config', before.config, config),
    ...compare('input', before.values, values),
    ...compare('', before.facts, facts),
    ...compare('variable', before.env, env).map(({ what }) => ({ what })),
    ...compare('secret', before.secrets, secrets),
    ...compare('platform', before.platform, platform),
    ...compareFiles(before.files, files),
    ...compare('presence of', before.exists, exists),
    ...compareTrees('tree', before.trees, trees, makers),
    ...compareTrees('tool', before.tools, tools, makers),
    ...compare('scope', before.scope, scope),
  ];
}

function compare(name: string, before: JSONValue, after: JSONValue): Reason[] {
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) =>
      compare(name === '' ? key : `${name} ${key}`, before[key] ?? null, after[key] ?? null),
    );
  }
  const from = show(before);
  const to = show(after);
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (from === to) return [{ what: name === '' ? 'facts' : name, to: 'changed further on' }];
  return [{ what: name === '' ? 'facts' : name, ...(from === '' ? {} : { from }), ...(to === '' ? {} : { to }) }];
}

const isObject = (value: JSONValue): value is { readonly [key: string]: JSONValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function show(value: JSONValue): string {
  if (value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > SHOWN_VALUE ? `${text.slice(0, SHOWN_VALUE)}...` : text;
}

/** A digest, and what may follow it: `executable`, or a mode. A folder has a mode alone. */
const shortFile = (spelled: string): string =>
  spelled.startsWith('mode ') ? spelled : `${short(spelled)}${/ (executable|mode \d+)$/.exec(spelled)?.[0] ?? ''}`;
const short = (digest: string): string => digest.slice(0, 12);

function compareFiles(before: KeyRecord['files'], after: KeyRecord['files']): Reason[] {
  const paths = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return paths.flatMap((path): Reason[] => {
    if (before[path] === after[path]) return [];
    if (before[path] === undefined) return [{ what: `file ${path}`, to: 'added' }];
    if (after[path] === undefined) return [{ what: `file ${path}`, to: 'removed' }];
    return [{ what: `file ${path}`, from: shortFile(before[path]), to: shortFile(after[path]) }];
  });
}

function compareTrees(name: string, before: KeyRecord['trees'], after: KeyRecord['trees'], makers: MakersOf): Reason[] {
  const ports = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return ports.flatMap((port): Reason[] => {
    const [old, now] = [before[port] ?? [], after[port] ?? []];
    const from = old.map(short).join('+');
    const to = now.map(short).join('+');
    if (from === to) return [];
    const nodes = makers(
      port,
      now.filter((digest) => !old.includes(digest)),
    );
    return [{ what: `${name} ${port}`, from, to, ...(nodes.length > 0 && { nodes }) }];
  });
}
