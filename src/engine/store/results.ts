// Action results as records of packs: the format, its checks, publishing and reading.

import { canonicalJSON } from '../../manifests/json-schema.js';
import { digestOf, hexOf, sha256Hex, type ActionKey, type Digest } from '../files/digest.js';
import { KeyTimes } from './key-times.js';
import { parseLayer } from '../trees/layers.js';
import { PackSet, type Found } from './pack.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import { decodeActionResult, encodeActionResult, type ReapiResult } from '../trees/reapi-result.js';
import type { ActionResult } from './store.js';
import type { Layer } from '../trees/tree.js';

/** A result, with what the store has to know about it. */
export interface StoredResult {
  readonly key: ActionKey;
  readonly result: ActionResult;
  /** Digest of the blob with the key's record, as canonical JSON. */
  readonly record: Digest;
  /** Id of the boot in which it was written. If the machine has crashed since, its blobs may be lost. */
  readonly boot: string;
  /** Its blobs were hashed and found intact in a later boot than `boot`. */
  readonly sealed: boolean;
  /** Id of the run that published it. */
  readonly run: string;
  /** Milliseconds since the epoch. Decides which of several results of a key is the newest. */
  readonly writtenAt: number;
  /** The node looked up variables of the app, so the result never leaves this machine. */
  readonly usesVariables?: true;
}

/*
 * Format 1: magic, SHA-256 of everything that follows, length (u32) of the REAPI ActionResult, that message, and a JSON
 * object with the rest. The message holds everything that another REAPI client needs: out/result.json inline, the
 * layers' blobs as files, and their trees as directories.
 */
const MAGIC = 'pyfres-1';
const HEADER = MAGIC.length + 32;

/** The result as other clients of the API read it. */
export function reapiOf(result: ActionResult): ReapiResult {
  const contents = Buffer.from(canonicalJSON(result));
  const { app, appLayer, tool, toolLayer } = OUTPUT_PATHS;
  const layers: [folder: string, blob: string, Layer | undefined][] = [
    [app, appLayer, result.layer],
    [tool, toolLayer, result.tool],
  ];
  const present = layers.flatMap(([folder, blob, layer]) => (layer ? [{ folder, blob, layer }] : []));
  return {
    outputFiles: [
      ...present.map(({ blob, layer }) => ({ path: blob, digest: layer.digest, executable: false })),
      { path: OUTPUT_PATHS.result, digest: digestOf(contents), executable: false, contents },
    ],
    outputDirectories: present.map(({ folder, layer }) => ({ path: folder, tree: layer.tree, root: layer.root })),
    outputSymlinks: [],
    exitCode: 0,
    ...(result.log && { stdout: result.log }),
  };
}

export function encodeResult(stored: StoredResult): Buffer {
  const { result, ...rest } = stored;
  const message = encodeActionResult(reapiOf(result));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(message.length);
  const body = Buffer.concat([length, message, Buffer.from(JSON.stringify(rest))]);
  return Buffer.concat([Buffer.from(MAGIC), Buffer.from(sha256Hex(body), 'hex'), body]);
}

/** Whether the bytes are an undamaged result, of any key. */
export const isIntact = (bytes: Buffer): boolean =>
  bytes.length >= HEADER + 4 &&
  bytes.toString('latin1', 0, MAGIC.length) === MAGIC &&
  sha256Hex(bytes.subarray(HEADER)) === bytes.toString('hex', MAGIC.length, HEADER);

/** Undefined unless the bytes are the complete, undamaged result of this key. */
export function decodeResult(hash: string, bytes: Buffer): StoredResult | undefined {
  if (!isIntact(bytes)) return undefined;
  const body = bytes.subarray(HEADER);
  const end = 4 + body.readUInt32LE(0);
  const message = decodeActionResult(body.subarray(4, end));
  const contents = message?.outputFiles.find(({ path }) => path === OUTPUT_PATHS.result)?.contents;
  if (contents === undefined) return undefined;
  // The checksum shows that pyflow wrote this, so only the key still needs a check.
  const rest = JSON.parse(body.toString('utf8', end)) as Omit<StoredResult, 'result'>;
  if (!rest.key.startsWith(hash)) return undefined;
  const result = JSON.parse(Buffer.from(contents).toString('utf8')) as ActionResult;
  for (const layer of [result.layer, result.tool]) {
    if (layer !== undefined && parseLayer(layer) === undefined) return undefined;
  }
  return { ...rest, result };
}

/** Blobs that a result names directly. Its trees name the others. */
export function blobsOf({ result, record }: StoredResult): readonly Digest[] {
  const trees = [result.layer, result.tool].flatMap((layer) => (layer ? [layer.tree] : []));
  return [...trees, ...(result.log ? [result.log] : []), record];
}

/** A use is noted only if the last noted one is older than this, so eviction knows the last use to within a day. */
const DAY = 24 * 3600 * 1000;

/** Of several results of one key, the one published last; if it was stored twice, the sealed form. */
export function newestOf(found: readonly StoredResult[]): StoredResult | undefined {
  let newest: StoredResult | undefined;
  for (const stored of found) {
    const isNewer =
      newest === undefined ||
      stored.writtenAt > newest.writtenAt ||
      (stored.writtenAt === newest.writtenAt && stored.sealed);
    if (isNewer) newest = stored;
  }
  return newest;
}

/** Results of one key lie side by side for several apps and builders. A newer one supersedes only that of its own slot. */
export const slotOf = ({ key, result: { appId, builder } }: StoredResult): string =>
  JSON.stringify([hexOf(key), appId, builder]);

/** Names the result in the list of last uses. Other results under its key may not have been used for a long time. */
export const useIdOf = (stored: StoredResult): string =>
  stored.result.appId === undefined && stored.result.builder === undefined
    ? hexOf(stored.key)
    : sha256Hex(slotOf(stored));

/** The newest of each slot. */
export function newestOfEach(found: readonly StoredResult[]): readonly StoredResult[] {
  const newest = new Map<string, StoredResult>();
  for (const stored of found) {
    const slot = slotOf(stored);
    newest.set(slot, newestOf([newest.get(slot) ?? stored, stored])!);
  }
  return [...newest.values()];
}

export type ReadResult =
  | { readonly type: 'found'; readonly stored: StoredResult }
  | { readonly type: 'missing' }
  | { readonly type: 'damaged' };

/** All results of a cache. Reading never throws. Writing throws the system's error. */
export class ResultFolder {
  private readonly packs: PackSet<StoredResult>;
  private readonly uses: KeyTimes;
  private readonly newUses = new Set<string>();
  bytesWritten = 0;

  constructor(
    root: string,
    run: string,
    private readonly isReadOnly: boolean,
  ) {
    this.packs = resultPacks(root, run);
    this.uses = usesOf(root);
  }

  /** The newest result that `isWanted` accepts, because several apps and builders can have their own results under one key. */
  read(hash: string, isWanted: (stored: StoredResult) => boolean = () => true): ReadResult {
    const { found, isDamaged } = this.readAll(hash);
    const stored = newestOf(found.filter(isWanted));
    if (stored) return { type: 'found', stored };
    return { type: isDamaged ? 'damaged' : 'missing' };
  }

  /** In no particular order, superseded ones too. */
  readAll(hash: string): Found<StoredResult> {
    this.packs.catchUp();
    const read = this.packs.readAll(hash);
    if (!read.isGone) return read;
    // A clean-up moved the result after the folder was listed.
    this.packs.catchUp();
    return this.packs.readAll(hash);
  }

  /** Protects the result from eviction. Written when the folder is closed, since losing a use costs little. */
  markUsed(stored: StoredResult, now: number): void {
    if (this.isReadOnly || now - stored.writtenAt <= DAY) return;
    const id = useIdOf(stored);
    if (!this.newUses.has(id) && now - (this.uses.timeOf(id) ?? 0) > DAY) this.newUses.add(id);
  }

  /** Other processes find the result as soon as this returns. */
  write(hash: string, stored: StoredResult): void {
    // If the clock was set back, the older result must not win.
    const before = this.packs.has(hash) ? newestOf(this.packs.readAll(hash).found) : undefined;
    const writtenAt = before && !stored.sealed ? Math.max(stored.writtenAt, before.writtenAt + 1) : stored.writtenAt;
    const bytes = encodeResult({ ...stored, writtenAt });
    this.packs.append(hash, bytes);
    this.packs.flush();
    this.bytesWritten += bytes.length;
  }

  /**
   * Only for this process. On disk the record stays until a clean-up; until then it is found damaged again, or is older
   * than its replacement. Results of other apps and builders stay.
   */
  forget(stored: StoredResult): void {
    const slot = slotOf(stored);
    this.packs.forget(hexOf(stored.key), (each) => slotOf(each) === slot);
  }

  close(now: number): void {
    this.uses.append([...this.newUses], now);
    this.packs.close();
  }
}

export const resultPacks = (root: string, run: string): PackSet<StoredResult> =>
  new PackSet(`${root}/ac`, run, decodeResult);

/** When results were last used, if that was later than their publication. */
export const usesOf = (root: string): KeyTimes => new KeyTimes(`${root}/ac/used`);
