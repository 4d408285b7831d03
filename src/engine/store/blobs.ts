// Blobs in one folder: packs for small blobs, a separate file for each large one.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  type BigIntStats,
} from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { CHUNK_BYTES, giveChunk, readWhole, takeChunk, withChunk } from '../files/chunks.js';
import { digestOf, EMPTY_DIGEST, hexOf, makeDigest, sha256Hex, sizeOf, type Digest } from '../files/digest.js';
import { BlobReceiver } from './blob-receiver.js';
import { PackSet } from './pack.js';
import { inPlace } from './place-error.js';
import type { Watch } from '../secrets/output-scanner.js';
import { finishCopy, writeAll, writeNewFile, type FileForm } from '../files/new-files.js';
import { TrustLedger } from './trust.js';
import { removeFile, removeTree } from '../files/remove-tree.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';
import { readCacheFile } from '../files/cache-file.js';

/** Blobs of this size in bytes and above are separate files. */
export const PACK_LIMIT = 64 * 1024;
/**
 * Files up to this size in bytes are copied in one synchronous call, which is quicker than overlapping several steps.
 */
const WHOLE = 1024 * 1024;

export interface BlobFolderOptions {
  readonly run: string;
  readonly bootId: string;
  readonly readOnly: boolean;
  /** Called with a large blob whose bytes don't match its digest. The blob is already removed. */
  readonly onDamage: (digest: Digest) => void;
}

/** Thrown when a blob can't be read whole: the store has lost it. */
export class BlobLost extends Error {
  constructor(readonly digest: Digest) {
    super(`the store lost the blob ${digest}`);
  }
}

/** The packs of small blobs below a folder. */
export const blobPacks = (root: string, run: string): PackSet<Buffer> =>
  new PackSet(`${root}/packs`, run, (hash, bytes) => (sha256Hex(bytes) === hash ? bytes : undefined));

/** Writing throws `PlaceError`, or the system's error if a source or target is the cause. Reading never throws. */
export class BlobFolder {
  readonly packs: PackSet<Buffer>;
  readonly trust: TrustLedger;
  bytesWritten = 0;
  private readonly fanOut = new Set<string>();
  private partials = 0;

  constructor(
    private readonly root: string,
    private readonly options: BlobFolderOptions,
  ) {
    this.packs = blobPacks(root, options.run);
    this.trust = new TrustLedger(`${root}/cas/trust`, options.bootId, options.readOnly);
  }

  pathOf(hash: string): string {
    return `${this.root}/cas/${hash.slice(0, 2)}/${hash}`;
  }

  has(digest: Digest): boolean {
    if (digest === EMPTY_DIGEST) return true;
    const hash = hexOf(digest);
    if (sizeOf(digest) >= PACK_LIMIT) return this.statLarge(digest) !== undefined;
    if (this.packs.has(hash)) return true;
    this.packs.catchUp();
    return this.packs.has(hash);
  }

  /** Those that the folder lacks. Looks once for what other processes have added. */
  missingOf(digests: Iterable<Digest>): Digest[] {
    const isHere = (digest: Digest): boolean =>
      digest === EMPTY_DIGEST ||
      (sizeOf(digest) >= PACK_LIMIT ? this.statLarge(digest) !== undefined : this.packs.has(hexOf(digest)));
    const missing = [...new Set(digests)].filter((digest) => !isHere(digest));
    if (missing.length === 0) return missing;
    this.packs.catchUp();
    return missing.filter((digest) => !isHere(digest));
  }

  private statLarge(digest: Digest): BigIntStats | undefined {
    try {
      const stats = lstatSync(this.pathOf(hexOf(digest)), { bigint: true, throwIfNoEntry: false });
      if (stats === undefined || (stats.isFile() && stats.size === BigInt(sizeOf(digest)))) return stats;
      this.discard(digest);
    } catch {
      // An unreadable blob counts as missing.
    }
    return undefined;
  }

  private discard(digest: Digest): void {
    const hash = hexOf(digest);
    this.trust.forget(hash);
    // If it can't be removed, the next reader finds it damaged again.
    if (!this.options.readOnly) removeTree(this.pathOf(hash));
    this.options.onDamage(digest);
  }

  async read(digest: Digest): Promise<Buffer | undefined> {
    return sizeOf(digest) < PACK_LIMIT ? this.readSmall(digest) : this.readLarge(digest);
  }

  /** Reads into `chunk` if one is given. */
  private readSmall(digest: Digest, chunk?: Buffer): Buffer | undefined {
    if (digest === EMPTY_DIGEST) return Buffer.alloc(0);
    const hash = hexOf(digest);
    let bytes = this.packs.read(hash, chunk);
    // Another process may have appended the blob, or moved it to another pack.
    if (bytes === undefined) {
      this.packs.catchUp();
      bytes = this.packs.read(hash, chunk);
    }
    return bytes?.length === sizeOf(digest) ? bytes : undefined;
  }

  private readLarge(digest: Digest): Buffer | undefined {
    if (this.statLarge(digest) === undefined) return undefined;
    const bytes = readCacheFile(this.pathOf(hexOf(digest)), sizeOf(digest));
    // An unreadable blob counts as missing, but may be whole.
    if (bytes === undefined || digestOf(bytes) === digest) return bytes;
    this.discard(digest);
    return undefined;
  }

  /** Whether the blob is present and matches its digest. A large blob that matches is trusted from now on. */
  async check(digest: Digest): Promise<boolean> {
    if (sizeOf(digest) < PACK_LIMIT) return withChunk((chunk) => this.readSmall(digest, chunk) !== undefined);
    const stats = this.statLarge(digest);
    if (stats === undefined) return false;
    const hash = hexOf(digest);
    if (this.trust.isTrusted(hash, stats)) return true;
    return (await this.hashLarge(digest, stats)) === 'right';
  }

  /** Hashes the blob even if the ledger trusts it. */
  async hashLarge(digest: Digest, stats: BigIntStats): Promise<'right' | 'wrong' | 'unreadable'> {
    const hash = hexOf(digest);
    try {
      if ((await copyHashed(this.pathOf(hash))) === digest) {
        this.trust.trust(hash, stats);
        return 'right';
      }
    } catch {
      return 'unreadable';
    }
    this.discard(digest);
    return 'wrong';
  }

  /** Whether the blob need not be stored again. A damaged blob must not count, because its bytes are at hand now. */
  private isStored(digest: Digest): boolean {
    if (digest === EMPTY_DIGEST) return true;
    const hash = hexOf(digest);
    if (sizeOf(digest) < PACK_LIMIT) return withChunk((chunk) => this.packs.read(hash, chunk) !== undefined);
    const stats = this.statLarge(digest);
    return stats !== undefined && this.trust.isTrusted(hash, stats);
  }

  write(digest: Digest, bytes: Uint8Array): void {
    if (this.isStored(digest)) return;
    inPlace(() => this.put(digest, bytes));
    this.bytesWritten += bytes.length;
  }

  private put(digest: Digest, bytes: Uint8Array): void {
    if (bytes.length < PACK_LIMIT) this.packs.append(hexOf(digest), bytes);
    else {
      const partial = this.newPartial();
      const fd = openSync(partial, 'wx', privateFileMode(partial) & 0o444);
      this.closing(fd, partial, () => writeAll(fd, bytes));
      this.publish(digest, partial);
    }
  }

  async writeFile(path: string, watch?: Watch): Promise<Digest> {
    const whole = withChunk((chunk) => {
      const bytes = readWhole(path, chunk);
      if (bytes === undefined) return undefined;
      watch?.()(bytes);
      const digest = digestOf(bytes);
      this.write(digest, bytes);
      return digest;
    });
    if (whole !== undefined) return whole;
    const partial = inPlace(() => this.newPartial());
    const digest = await copyHashed(path, partial, watch);
    // The file shrank while it was read.
    if (sizeOf(digest) < PACK_LIMIT) {
      this.write(digest, readFileSync(partial));
      removeFile(partial);
    } else if (this.isStored(digest)) removeFile(partial);
    else {
      inPlace(() => this.publish(digest, partial));
      this.bytesWritten += sizeOf(digest);
    }
    return digest;
  }

  /**
   * The bytes of a blob in pieces, each valid only until the next one is asked for. Throws `BlobLost` if the blob is
   * missing, or at the end if the bytes don't match the digest.
   */
  async *chunks(digest: Digest): AsyncGenerator<Buffer> {
    if (sizeOf(digest) < PACK_LIMIT) {
      const bytes = this.readSmall(digest);
      if (bytes === undefined) throw new BlobLost(digest);
      yield bytes;
      return;
    }
    if (this.statLarge(digest) === undefined) throw new BlobLost(digest);
    // A clean-up by another process may have removed it by now.
    const lost = (): never => {
      throw new BlobLost(digest);
    };
    const file = await open(this.pathOf(hexOf(digest)), constants.O_RDONLY | constants.O_NOFOLLOW).catch(lost);
    try {
      const hash = createHash('sha256');
      const chunk = takeChunk();
      for (let left = sizeOf(digest); left > 0;) {
        const { bytesRead } = await file.read(chunk, 0, Math.min(CHUNK_BYTES, left), null).catch(lost);
        if (bytesRead === 0) break;
        left -= bytesRead;
        hash.update(chunk.subarray(0, bytesRead));
        yield chunk.subarray(0, bytesRead);
      }
      giveChunk(chunk);
      if (hash.digest('hex') === hexOf(digest)) return;
    } finally {
      await file.close();
    }
    this.discard(digest);
    throw new BlobLost(digest);
  }

  /** For a blob that arrives in pieces, of any size. */
  receive(digest: Digest): BlobReceiver {
    if (this.isStored(digest)) return new BlobReceiver(digest, undefined);
    if (sizeOf(digest) < PACK_LIMIT)
      return new BlobReceiver(digest, { type: 'in-memory', store: (bytes) => this.write(digest, bytes) });
    const path = inPlace(() => this.newPartial());
    const publish = (): void => {
      inPlace(() => this.publish(digest, path));
      this.bytesWritten += sizeOf(digest);
    };
    return new BlobReceiver(digest, { type: 'in-file', path, publish });
  }

  /** Whether the bytes match the digest. If not, nothing is stored. */
  async receiveFrom(digest: Digest, chunks: AsyncIterable<Buffer>): Promise<boolean> {
    const receiver = this.receive(digest);
    try {
      for await (const chunk of chunks) receiver.write(chunk);
      return receiver.finish();
    } finally {
      receiver.discard();
    }
  }

  private newPartial(): string {
    if (this.partials === 0) makePrivateFolder(`${this.root}/cas`);
    return `${this.root}/cas/${this.options.run}-${this.partials++}.tmp`;
  }

  private closing(fd: number, partial: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      closeSync(fd);
      removeFile(partial);
      throw error;
    }
    closeSync(fd);
  }

  private publish(digest: Digest, partial: string): void {
    const hash = hexOf(digest);
    const path = this.pathOf(hash);
    const parent = hash.slice(0, 2);
    try {
      if (!this.fanOut.has(parent)) makePrivateFolder(`${this.root}/cas/${parent}`);
      this.fanOut.add(parent);
      try {
        renameSync(partial, path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        // A clean-up removed the directory.
        makePrivateFolder(`${this.root}/cas/${parent}`);
        renameSync(partial, path);
      }
    } catch (error) {
      removeFile(partial);
      throw error;
    }
    // Renaming changes the ctime, so the stat tuple is read after it.
    this.trust.trust(hash, statSync(path, { bigint: true }));
  }

  /** See `BlobStore.materialize`. Throws the system's error if the target can't be written. */
  async materialize(digest: Digest, target: string, form: FileForm): Promise<boolean> {
    if (sizeOf(digest) < PACK_LIMIT) {
      return withChunk((chunk) => {
        const bytes = this.readSmall(digest, chunk);
        if (bytes === undefined) return false;
        writeNewFile(target, bytes, form);
        return true;
      });
    }
    const stats = this.statLarge(digest);
    if (stats === undefined) return false;
    const hash = hexOf(digest);
    const source = this.pathOf(hash);
    const flags = constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL;
    if (this.trust.isTrusted(hash, stats)) {
      try {
        if (stats.size <= WHOLE) copyFileSync(source, target, flags);
        else await copyFile(source, target, flags);
      } catch (error) {
        removeFile(target);
        if (!existsSync(source)) return false;
        throw error;
      }
    } else {
      const found = await copyHashed(source, target);
      if (found !== digest) {
        removeFile(target);
        this.discard(digest);
        return false;
      }
      this.trust.trust(hash, stats);
    }
    finishCopy(target, form);
    return true;
  }

  flush(): void {
    inPlace(() => this.packs.flush());
  }

  close(): void {
    try {
      this.packs.close();
    } finally {
      this.trust.close();
    }
  }
}

/**
 * Digests a file and, if a target is given, copies it there in the same pass. If it throws, it leaves no target. Throws
 * `PlaceError` if the target can't be written.
 */
export async function copyHashed(source: string, target?: string, watch?: Watch): Promise<Digest> {
  const from = await open(source, 'r');
  try {
    const hash = createHash('sha256');
    const see = watch?.();
    const to = target === undefined ? undefined : inPlace(() => openSync(target, 'wx', privateFileMode(target)));
    let size = 0;
    let buffer = takeChunk();
    let spare = takeChunk();
    try {
      let pending = from.read(buffer, 0, CHUNK_BYTES, null);
      for (;;) {
        const { bytesRead } = await pending;
        if (bytesRead === 0) break;
        const full = buffer.subarray(0, bytesRead);
        [buffer, spare] = [spare, buffer];
        // The thread pool reads the next chunk while this thread hashes and writes.
        pending = from.read(buffer, 0, CHUNK_BYTES, null);
        see?.(full);
        hash.update(full);
        if (to !== undefined) inPlace(() => writeAll(to, full));
        size += bytesRead;
      }
      giveChunk(buffer);
      giveChunk(spare);
    } catch (error) {
      if (target !== undefined) removeFile(target);
      throw error;
    } finally {
      if (to !== undefined) closeSync(to);
    }
    return makeDigest(hash.digest('hex'), size);
  } finally {
    await from.close();
  }
}
