// Action results as files: the format, its checks, publishing and reading. Unaware of which blobs exist.

import {
  closeSync,
  existsSync,
  fstatSync,
  futimesSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { canonicalJSON, type JSONObject } from '../manifests/json-schema.js';
import { digestOf, sha256Hex, type ActionKey, type Digest } from './digest.js';
import { parseLayer } from './layers.js';
import { decodeActionResult, encodeActionResult, type ReapiResult } from './reapi-result.js';
import { removeQuietly, replaceFile } from './sealed-json.js';
import type { ActionResult } from './store.js';
import type { Layer } from './tree.js';

/** A result and what the store must know about it. */
export interface StoredResult {
  readonly key: ActionKey;
  readonly result: ActionResult;
  /** Blob: canonical JSON of the key's record. */
  readonly record: Digest;
  /** Boot under which it was written; its blobs may be lost after a crash of the machine. */
  readonly boot: string;
  /** Its blobs were hashed in a later boot than `boot`. */
  readonly sealed: boolean;
  /** Run that published it. */
  readonly run: string;
  /** By the clock of the machine, not the injected one: it is compared with times of files. */
  readonly writtenAt: number;
}

/*
 * Format 1: magic, SHA-256 of all that follows, length (u32) of the REAPI ActionResult, that message, and a JSON object
 * with the rest. The message holds everything that another REAPI client would want: out/result.json inline, the layers'
 * blobs as files, their trees as directories.
 */
const MAGIC = 'pyfres-1';
const HEADER = MAGIC.length + 32;

function toReapi(result: ActionResult): ReapiResult {
  const contents = Buffer.from(canonicalJSON(result));
  const layers: [string, Layer | undefined][] = [
    ['app', result.layer],
    ['tool', result.tool],
  ];
  const present = layers.flatMap(([name, layer]) => (layer ? [{ name, layer }] : []));
  return {
    outputFiles: [
      ...present.map(({ name, layer }) => ({ path: `out/${name}.layer`, digest: layer.digest, executable: false })),
      { path: 'out/result.json', digest: digestOf(contents), executable: false, contents },
    ],
    outputDirectories: present.map(({ name, layer }) => ({ path: `out/${name}`, tree: layer.tree, root: layer.root })),
    outputSymlinks: [],
    exitCode: 0,
    ...(result.log && { stdout: result.log }),
  };
}

export function encodeResult(stored: StoredResult): Buffer {
  const { result, ...rest } = stored;
  const message = encodeActionResult(toReapi(result));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(message.length);
  const body = Buffer.concat([length, message, Buffer.from(JSON.stringify(rest))]);
  return Buffer.concat([Buffer.from(MAGIC), Buffer.from(sha256Hex(body), 'hex'), body]);
}

/** Undefined for anything but the whole, unharmed result of this key. */
export function decodeResult(hash: string, bytes: Buffer): StoredResult | undefined {
  const body = bytes.subarray(HEADER);
  if (bytes.length < HEADER + 4 || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  if (sha256Hex(body) !== bytes.toString('hex', MAGIC.length, HEADER)) return undefined;
  const end = 4 + body.readUInt32LE(0);
  const message = decodeActionResult(body.subarray(4, end));
  const contents = message?.outputFiles.find(({ path }) => path === 'out/result.json')?.contents;
  if (contents === undefined) return undefined;
  // The checksum has shown that this process's kind wrote it: shapes need no second look, except of the key.
  const rest = JSON.parse(body.toString('utf8', end)) as Omit<StoredResult, 'result'>;
  if (!rest.key.startsWith(hash)) return undefined;
  const result = JSON.parse(Buffer.from(contents).toString('utf8')) as ActionResult & { readonly layer?: JSONObject };
  for (const layer of [result.layer, result.tool]) {
    if (layer !== undefined && parseLayer(layer.digest, layer) === undefined) return undefined;
  }
  return { ...rest, result };
}

/** Blobs that a result names itself; those of its trees are named by them. */
export function blobsOf({ result, record }: StoredResult): readonly Digest[] {
  const layers = [result.layer, result.tool].flatMap((layer) => (layer ? [layer.digest, layer.tree] : []));
  return [...layers, ...(result.log ? [result.log] : []), record];
}

const DAY = 24 * 3600 * 1000;

export type ReadResult =
  | { readonly type: 'found'; readonly stored: StoredResult }
  | { readonly type: 'missing' }
  | { readonly type: 'damaged' };

/** The folder of results. Reading never throws; writing throws the system's error. */
export class ResultFolder {
  private readonly fanOut = new Set<string>();

  constructor(
    private readonly root: string,
    private readonly run: string,
    private readonly isReadOnly: boolean,
  ) {}

  pathOf(hash: string): string {
    return `${this.root}/ac/${hash.slice(0, 2)}/${hash}`;
  }

  /** `use`: this is a use, which keeps the result from eviction. */
  read(hash: string, use: boolean): ReadResult {
    const path = this.pathOf(hash);
    // Most look-ups of a cold run miss, and an exception costs more than asking first.
    if (!existsSync(path)) return { type: 'missing' };
    let bytes: Buffer;
    try {
      const fd = openSync(path, 'r');
      try {
        const stats = fstatSync(fd);
        bytes = Buffer.allocUnsafe(stats.size);
        bytes = bytes.subarray(0, readSync(fd, bytes, 0, stats.size, 0));
        if (use && !this.isReadOnly && Date.now() - stats.mtimeMs > DAY) this.touch(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      return { type: (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'damaged' };
    }
    const stored = decodeResult(hash, bytes);
    return stored ? { type: 'found', stored } : { type: 'damaged' };
  }

  private touch(fd: number): void {
    try {
      futimesSync(fd, Date.now() / 1000, Date.now() / 1000);
    } catch {
      // Not ours to touch: it may be evicted early.
    }
  }

  write(hash: string, stored: StoredResult): void {
    const parent = `${this.root}/ac/${hash.slice(0, 2)}`;
    const partial = `${parent}/${hash}.${this.run}.tmp`;
    const bytes = encodeResult(stored);
    try {
      if (!this.fanOut.has(parent)) mkdirSync(parent, { recursive: true });
      this.fanOut.add(parent);
      writeFileSync(partial, bytes, { mode: 0o644 });
      replaceFile(partial, this.pathOf(hash));
    } catch (error) {
      this.fanOut.delete(parent);
      rmSync(partial, { force: true });
      throw error;
    }
  }

  remove(hash: string): void {
    if (this.isReadOnly) return;
    // What cannot be removed is found wrong again.
    removeQuietly(this.pathOf(hash));
  }
}
