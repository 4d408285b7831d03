// Checks a result that another machine made, down to the last blob. Only what this version of pyflow would have stored itself
// passes: a result from outside is never repaired.

import { canonicalJSON } from '../../manifests/json-schema.js';
import { fail, succeed, type Result } from '../failure.js';
import { digestOf, hexOf, sizeOf, type Digest } from '../files/digest.js';
import { isCount, isShallow, isTable, isText } from '../files/untrusted-json.js';
import { checkForeignLayer } from '../trees/foreign-tree.js';
import { isDigest } from '../trees/layers.js';
import type { LocalStore } from './local-store.js';
import { decodeResult, encodeResult, type StoredResult } from './results.js';
import { bondOf, type Bond } from './shareable.js';
import type { Layer } from '../trees/tree.js';
import type { ActionResult, KeyRecord, LogLine } from './store.js';

/** Bytes of a result, without its blobs. */
export const MOST_RESULT_BYTES = 16 * 1024 ** 2;
const MOST_RECORD_BYTES = 32 * 1024 ** 2;
/** Nodes keep 16 MiB of text, and each line has its time and stream besides. */
const MOST_LOG_BYTES = 64 * 1024 ** 2;
const LATEST = 8.64e15;

export interface ForeignResult {
  readonly stored: StoredResult;
  readonly record: KeyRecord;
}

export interface Refused {
  /** What is wrong, as part of a sentence. */
  readonly problem: string;
  readonly bond?: Bond;
}

/** What this machine adds to a result, as it travels: nothing that differs between machines or runs. */
const TRAVELLING = { boot: '', sealed: false, run: '' } as const;

/** The result in the form in which it travels. The same result gives the same bytes on every machine that holds it. */
export const encodeForTravel = ({ key, result, record }: StoredResult): Buffer =>
  encodeResult({ key, record, ...TRAVELLING, writtenAt: result.storedAt, result });

/** `keyFormat` is that of this version of pyflow. */
export class ForeignResults {
  /** Layers that were found right, because many results can have the same one. */
  readonly #layers = new Set<string>();

  constructor(
    private readonly store: LocalStore,
    private readonly keyFormat: number,
  ) {}

  /** The result, if all its blobs are in the store. */
  async check(hash: string, bytes: Buffer): Promise<Result<ForeignResult, Refused>> {
    const stored = decode(hash, bytes);
    if (typeof stored === 'string') return fail({ problem: stored });
    const record = await readRecord(this.store, stored.record);
    if (typeof record === 'string') return fail({ problem: record });
    if (record.format !== this.keyFormat) return fail({ problem: 'its key has another format' });
    const bond = bondOf(stored, record);
    if (bond !== undefined) return fail({ problem: `it may not leave the machine that made it (${bond})`, bond });
    const problem = (await this.#layersProblem(stored.result)) ?? (await logProblem(this.store, stored.result.log));
    return problem === undefined ? succeed({ stored, record }) : fail({ problem });
  }

  async #layersProblem({ layer, tool }: ActionResult): Promise<string | undefined> {
    for (const each of [layer, tool]) {
      // The tree counts too: it is not part of the layer's digest.
      const name = `${each?.digest} ${each?.tree}`;
      if (each === undefined || this.#layers.has(name)) continue;
      const problem = await layerProblem(this.store, each);
      if (problem !== undefined) return problem;
      this.#layers.add(name);
    }
    return undefined;
  }
}

async function layerProblem(store: LocalStore, layer: Layer): Promise<string | undefined> {
  const checked = await checkForeignLayer(store, layer);
  if ('problem' in checked) return checked.problem;
  for (const digest of checked.files) {
    if (!(await store.check(digest))) return `the blob ${digest} is missing`;
  }
  return undefined;
}

/** The shape of each field; `?` marks one that can be absent. A new field does not compile until it is here. */
type Shape<T> = { readonly [Name in keyof Required<T>]: (value: unknown) => boolean };
const isAbsent = (value: unknown): boolean => value === undefined;
const optional =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || check(value);
const tableOf =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    isTable(value) && Object.values(value).every(check);
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

function hasShape<T>(value: unknown, shape: Shape<T>): value is T {
  if (!isTable(value) || Object.keys(value).some((name) => !Object.hasOwn(shape, name))) return false;
  return Object.entries<(value: unknown) => boolean>(shape).every(([name, check]) => check(value[name]));
}

const LAYER: Shape<Layer> = {
  digest: isDigest,
  tree: isDigest,
  root: isDigest,
  deleted: areTexts,
  files: isCount,
  bytes: isCount,
};
const isLayer = (value: unknown): boolean => hasShape(value, LAYER);

const RESULT: Shape<ActionResult> = {
  outputs: isTable,
  layer: optional(isLayer),
  tool: optional(isLayer),
  log: optional((value) => isDigest(value) && sizeOf(value) <= MOST_LOG_BYTES),
  durationMs: isCount,
  state: optional(isTable),
  degraded: isAbsent,
  appId: isAbsent,
  builder: optional(isText),
  taint: isAbsent,
  storedAt: (value) => isCount(value) && value <= LATEST,
};

const RECORD: Shape<KeyRecord> = {
  format: isCount,
  kind: isText,
  revision: isCount,
  code: optional(isText),
  config: isTable,
  values: isTable,
  facts: (value) => value !== undefined,
  env: tableOf(isText),
  secrets: tableOf(isTable),
  platform: tableOf(isText),
  files: tableOf(isText),
  exists: tableOf((value) => typeof value === 'boolean'),
  builder: optional(isText),
  trees: tableOf(areTexts),
  tools: tableOf(areTexts),
  scope: isText,
};

/** Whether a value from another machine is a result that may leave the machine that made it. Layers are checked by their shape. */
export const isForeignResult = (value: unknown): value is ActionResult => isShallow(value) && hasShape(value, RESULT);

function decode(hash: string, bytes: Buffer): StoredResult | string {
  if (bytes.length > MOST_RESULT_BYTES) return 'it is too large';
  const stored = attempt(() => decodeResult(hash, bytes));
  if (stored === undefined) return 'it is damaged, or not the result of its key';
  const { key, record, result } = stored;
  if (!isDigest(key) || hexOf(key) !== hash) return 'it has an invalid key';
  if (!isDigest(record) || sizeOf(record) > MOST_RECORD_BYTES) return 'it names no record of its key';
  if (!isForeignResult(result)) return 'it has a missing, unknown or invalid field';
  // The message beside it, with the exit status and the trees, must say the same.
  if (!encodeForTravel(stored).equals(bytes)) return 'its parts contradict each other';
  return stored;
}

async function readRecord(store: LocalStore, digest: Digest): Promise<KeyRecord | string> {
  const bytes = await store.read(digest);
  if (bytes === undefined) return 'the record of its key is missing';
  const record = attempt(() => JSON.parse(bytes.toString('utf8')) as unknown);
  if (!isShallow(record) || !hasShape(record, RECORD)) return 'the record of its key is invalid';
  if (digestOf(canonicalJSON(record)) !== digest) return 'the record of its key is not in canonical form';
  return record;
}

async function logProblem(store: LocalStore, log: Digest | undefined): Promise<string | undefined> {
  if (log === undefined) return undefined;
  const bytes = await store.read(log);
  if (bytes === undefined) return 'its log is missing';
  const lines = bytes.toString('utf8').split('\n');
  return lines.every((line) => line === '' || isLogLine(attempt(() => JSON.parse(line) as unknown)))
    ? undefined
    : 'its log is invalid';
}

const STREAMS: readonly unknown[] = ['stdout', 'stderr', 'step', 'notice'] satisfies LogLine['stream'][];
const LOG_LINE: Shape<LogLine> = { stream: (value) => STREAMS.includes(value), at: isCount, text: isText };
const isLogLine = (value: unknown): boolean => hasShape(value, LOG_LINE);

/** Undefined for an exception. What comes from outside can make parsers throw in many ways, and all mean the same. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
