// A part of the slug as a compressed tar archive. Each is made once and kept in the store like a result of a node, under a key of
// its tree, its time and the compressor.

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { canonicalJSON } from '../../manifests/json-schema.js';
import { digestOf, hexOf, sizeOf, type ActionKey, type Digest } from '../files/digest.js';
import { Breather, writeAll } from '../files/new-files.js';
import { removeFile } from '../files/remove-tree.js';
import { TAR_END } from '../files/tar-header.js';
import { KEY_FORMAT } from '../node/key.js';
import type { LocalStore } from '../store/local-store.js';
import type { KeyRecord } from '../store/store.js';
import { buildTree, findEntry } from '../trees/directories.js';
import { loadTree, writeLayer } from '../trees/layers.js';
import { MissingBlob } from '../trees/output-tree.js';
import type { DirectoryTable } from '../trees/tree.js';
import { PIECE, type Compressor } from './compressor.js';
import { storedChunks, tarOf, type FileBytes, type TarSource } from './part-tar.js';

export interface PackedPart {
  /** Of the compressed archive, which the store holds. */
  readonly blob: Digest;
  /** SHA-256 of the archive before compression. */
  readonly diffId: string;
  /** Bytes of the blob before the compressed end of the archive: several parts without it and one end are an archive. */
  readonly bodyBytes: number;
}

export interface Packing {
  readonly store: LocalStore;
  readonly compressor: Compressor;
  readonly bytes: FileBytes;
  /** A private folder on the disk of the cache, made on first use. */
  readonly workDir: () => string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/** Raise it when the same tree gives another archive. */
const PACK_FORMAT = 1;
const KIND = 'packed-layer';
const FILE = 'layer';

/** Takes the part from the store, or packs it and stores it there. */
export async function packPart(source: TarSource, packing: Packing): Promise<PackedPart> {
  const { store, compressor, now } = packing;
  const config = {
    pack: PACK_FORMAT,
    root: source.root,
    folder: source.folder,
    time: source.mtimeS,
    compressor: compressor.version,
  };
  const key = digestOf(canonicalJSON({ kind: KIND, ...config })) as ActionKey;
  const known = await storedPart(store, key);
  if (known !== undefined) return known;
  const started = performance.now();
  const part = await pack(source, packing);
  const table: DirectoryTable = new Map();
  const { root } = buildTree([[FILE, { digest: part.blob, executable: false }]], table);
  const result = {
    outputs: { diffId: part.diffId, bodyBytes: part.bodyBytes },
    layer: writeLayer(store, table, root, []),
    durationMs: Math.round(performance.now() - started),
    // It has files of the app, so it must not leave this machine with other results.
    taint: 'packed' as const,
    storedAt: now,
  };
  await store.publish(key, result, recordOf(config));
  return part;
}

/** Undefined if the store lacks any of it. */
async function storedPart(store: LocalStore, key: ActionKey): Promise<PackedPart | undefined> {
  const result = await store.lookUp(key);
  if (result?.layer === undefined) return undefined;
  const table: DirectoryTable = new Map();
  const root = await loadTree(store, result.layer.tree, table);
  const file = root === undefined ? undefined : findEntry(table, root, FILE);
  const { diffId, bodyBytes } = result.outputs;
  if (file?.type !== 'file' || typeof diffId !== 'string' || typeof bodyBytes !== 'number') return undefined;
  return (await store.check(file.digest)) ? { blob: file.digest, diffId, bodyBytes } : undefined;
}

async function pack(source: TarSource, { store, compressor, bytes, workDir, signal }: Packing): Promise<PackedPart> {
  const folder = workDir();
  mkdirSync(folder, { recursive: true });
  const path = `${folder}/part-${randomBytes(6).toString('hex')}`;
  const fd = openSync(path, 'wx', 0o600);
  const hash = createHash('sha256');
  const breather = new Breather();
  let bodyBytes = 0;
  try {
    for await (const piece of piecesOf(tarOf(source, bytes))) {
      signal.throwIfAborted();
      hash.update(piece);
      const compressed = compressor.compress(piece);
      writeAll(fd, compressed);
      bodyBytes += compressed.length;
      await breather.pause();
    }
    writeAll(fd, compressor.compress(TAR_END));
    return { blob: await store.writeFile(path), diffId: hash.update(TAR_END).digest('hex'), bodyBytes };
  } finally {
    closeSync(fd);
    removeFile(path);
  }
}

/** Collects chunks into pieces of one size; each is valid until the next one is asked for. */
async function* piecesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const piece = Buffer.allocUnsafe(PIECE);
  let used = 0;
  for await (const chunk of chunks) {
    for (let done = 0; done < chunk.length;) {
      const count = chunk.copy(piece, used, done);
      done += count;
      used += count;
      if (used < PIECE) continue;
      yield piece;
      used = 0;
    }
  }
  if (used > 0) yield piece.subarray(0, used);
}

/** The compressed bytes of the archive without its end. */
export async function* bodyOf(store: LocalStore, { blob, bodyBytes }: PackedPart): AsyncGenerator<Buffer> {
  let left = bodyBytes;
  for await (const chunk of storedChunks(store, blob)) {
    const taken = chunk.subarray(0, left);
    left -= taken.length;
    if (taken.length > 0) yield taken;
  }
  if (left > 0 || sizeOf(blob) < bodyBytes) throw new MissingBlob(blob);
}

/** So that `pyflow cache show` can say what it is. */
const recordOf = (config: Readonly<Record<string, string | number>>): KeyRecord => ({
  format: KEY_FORMAT,
  kind: KIND,
  revision: PACK_FORMAT,
  config,
  values: {},
  facts: {},
  env: {},
  secrets: {},
  platform: {},
  files: {},
  exists: {},
  trees: { layer: [hexOf(config['root'] as Digest)] },
  tools: {},
  scope: '',
});
