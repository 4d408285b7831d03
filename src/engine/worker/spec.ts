// spec.json: the part of an action that is neither a file nor a variable. It comes from a client, so everything is checked.

import { existsSync } from 'node:fs';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { KnownKind } from '../../manifests/plugin-manifest.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { readCacheFile } from '../files/cache-file.js';
import { isShallow, isTable } from '../files/untrusted-json.js';
import { invalidSpec, otherBuilder, otherRevision, unknownKind } from './failures.js';

export interface Spec {
  readonly kind: string;
  readonly revision: number;
  readonly config: JSONObject;
  readonly values: JSONObject;
  readonly facts: JSONValue;
  readonly exists: Readonly<Record<string, boolean>>;
  /** Present if the key contains the builder. */
  readonly builder?: string;
}

const MOST_BYTES = 16 * 1024 ** 2;
const FIELDS: ReadonlySet<string> = new Set([
  'kind',
  'revision',
  'code',
  'config',
  'values',
  'facts',
  'secrets',
  'exists',
  'builder',
]);

export function readSpecFile(path: string): Result<Spec, Failure> {
  const bytes = readCacheFile(path, MOST_BYTES);
  if (bytes !== undefined) return readSpec(bytes);
  const isThere = existsSync(path);
  return fail(invalidSpec(isThere ? TOO_LARGE : 'There is no spec.json in the working directory.'));
}
const TOO_LARGE = `It has more than ${MOST_BYTES / 1024 ** 2} MiB, or can't be read.`;

export function readSpec(bytes: Uint8Array): Result<Spec, Failure> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return fail(invalidSpec('It is not JSON.'));
  }
  if (!isTable(value) || !isShallow(value)) return fail(invalidSpec('It is no object, or nested too deeply.'));
  const unknown = Object.keys(value).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) return fail(invalidSpec(`It has the unknown field ${JSON.stringify(unknown)}.`));
  return specOf(value);
}

function specOf(value: Readonly<Record<string, unknown>>): Result<Spec, Failure> {
  const { kind, revision, code, config, values, facts, secrets, exists, builder } = value;
  const wrong = (name: string) => fail(invalidSpec(`Its field \`${name}\` is missing or invalid.`));
  if (typeof kind !== 'string') return wrong('kind');
  if (!Number.isSafeInteger(revision)) return wrong('revision');
  // A plugin from outside: its code is not here.
  if (code !== undefined) return fail(unknownKind(kind));
  if (!isTable(config)) return wrong('config');
  if (!isTable(values)) return wrong('values');
  if (facts === undefined) return wrong('facts');
  if (!isTable(secrets) || Object.keys(secrets).length > 0) return wrong('secrets');
  if (!isTable(exists) || !Object.values(exists).every((one) => typeof one === 'boolean')) return wrong('exists');
  if (builder !== undefined && typeof builder !== 'string') return wrong('builder');
  return succeed({
    kind,
    revision: revision as number,
    config: config as JSONObject,
    values: values as JSONObject,
    facts: facts as JSONValue,
    exists: exists as Spec['exists'],
    ...(builder === undefined ? {} : { builder }),
  });
}

/** Whether this program runs such an action. `builder` gives the id of this machine's. */
export function checkSpec(
  { kind, revision, config, builder }: Spec,
  known: KnownKind | undefined,
  ownBuilder: () => string,
): Failure | undefined {
  if (known === undefined || known.codeDigest !== undefined) return unknownKind(kind);
  if (known.manifest.revision !== revision) return otherRevision(kind, revision, known.manifest.revision);
  // The validator may fill in defaults, which the client has done already.
  if (!known.validateConfig(structuredClone(config))) return invalidSpec(`Its config is not one of the kind ${kind}.`);
  if (builder === undefined) return undefined;
  const own = ownBuilder();
  return own === builder ? undefined : otherBuilder(builder, own);
}
