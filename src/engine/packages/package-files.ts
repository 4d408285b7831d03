// Package files by SHA-256, shared by all apps. They lie beside other downloads, so a tool that pyflow fetched is here as well.

import { createHash, randomBytes } from 'node:crypto';
import { accessSync, constants, createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { chmod, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { makePrivateFolder } from '../files/private-files.js';
import { noteUse } from '../services/download-quota.js';
import { isVerified, recordVerified } from '../services/verified-files.js';

/** What a page or a lock says about the bytes of a file. */
export interface Expected {
  /** By algorithm, in lower-case hex. Empty if nothing is known. */
  readonly hashes: Readonly<Record<string, string>>;
  readonly sizeBytes?: number;
}

export interface StoredFile {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly path: string;
}

export interface PackageFilesOptions {
  readonly cacheDir: string;
  /** Used instead of a cache that is not writable. */
  readonly spareDir: string;
  /** Nothing larger is fetched, whatever an index says. */
  readonly mostBytes: number;
}

function isWritable(folder: string): boolean {
  try {
    makePrivateFolder(folder);
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function madeFolder(folder: string): string {
  makePrivateFolder(folder);
  return folder;
}

/** Algorithms that still protect: a file that only has an MD5 counts as unknown. */
const STRONG = ['sha256', 'sha384', 'sha512', 'sha3_256', 'sha3_512', 'blake2b'];
const NODE_NAMES: Readonly<Record<string, string>> = {
  sha3_256: 'sha3-256',
  sha3_512: 'sha3-512',
  blake2b: 'blake2b512',
};

/** The bytes are not those that the page or the lock announced. */
export class WrongBytes extends Error {
  constructor(
    readonly expected: string,
    readonly found: string,
  ) {
    super(`expected ${expected}, got ${found}`);
  }
}

export class PackageFiles {
  /** In this run. */
  bytesStored = 0;
  readonly #fetching = new Map<string, Promise<unknown>>();
  #writable: string | undefined;

  constructor(private readonly options: PackageFilesOptions) {}

  get #shared(): string {
    return join(this.options.cacheDir, 'downloads');
  }

  /** Where files are stored: for this run only, if the cache is not writable. */
  get #folder(): string {
    return (this.#writable ??= isWritable(this.#shared) ? this.#shared : madeFolder(this.options.spareDir));
  }

  /** Undefined if the file isn't here, or is damaged. */
  async find(sha256: string): Promise<StoredFile | undefined> {
    if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
    const folders = new Set([this.#shared, this.#writable ?? this.#shared]);
    let path: string | undefined;
    for (const folder of folders) if (await isVerified(join(folder, sha256), sha256)) path = join(folder, sha256);
    if (path === undefined) return undefined;
    const { size } = await stat(path);
    await noteUse(path, Date.now());
    return { sha256, sizeBytes: size, path };
  }

  open(file: StoredFile, range?: { readonly start: number; readonly end: number }): Readable {
    return createReadStream(file.path, { ...range, highWaterMark: 256 * 1024 });
  }

  /** For small files. */
  read(file: StoredFile): Buffer {
    return readFileSync(file.path);
  }

  /** Runs `fetch` unless another caller already fetches the same file; then waits for that one, whatever its end. */
  async once(name: string, fetch: () => Promise<StoredFile>): Promise<StoredFile | undefined> {
    const running = this.#fetching.get(name);
    if (running !== undefined) {
      await running.catch(() => {});
      return undefined;
    }
    const fetching = fetch();
    this.#fetching.set(name, fetching);
    try {
      return await fetching;
    } finally {
      this.#fetching.delete(name);
    }
  }

  /**
   * Stores what a body gives. `onChunk` gets the bytes as they arrive; the promise it returns slows the transfer down. Throws
   * WrongBytes if they aren't the expected ones, and keeps nothing then.
   */
  async receive(
    body: Readable,
    expected: Expected,
    onChunk?: (chunk: Buffer) => Promise<void> | void,
  ): Promise<StoredFile> {
    const temporary = join(this.#folder, `package.${process.pid}.${randomBytes(6).toString('hex')}`);
    const strongest = strongestOf(expected);
    const sha256 = createHash('sha256');
    const other =
      strongest === undefined || strongest === 'sha256' ? undefined : createHash(NODE_NAMES[strongest] ?? strongest);
    const limit = expected.sizeBytes ?? this.options.mostBytes;
    let sizeBytes = 0;
    const watch = new Transform({
      transform(chunk: Buffer, _, done) {
        sizeBytes += chunk.length;
        if (sizeBytes > limit) return done(new WrongBytes(`${limit} bytes`, 'more bytes'));
        sha256.update(chunk);
        other?.update(chunk);
        const sent = onChunk?.(chunk);
        if (sent === undefined) done(null, chunk);
        else
          sent.then(
            () => done(null, chunk),
            (error: unknown) => done(error as Error),
          );
      },
    });
    try {
      await pipeline(body, watch, createWriteStream(temporary, { flags: 'wx', mode: 0o600 }));
      const digest = sha256.digest('hex');
      check(expected, strongest, strongest === 'sha256' ? digest : other?.digest('hex'), sizeBytes);
      const path = join(this.#folder, digest);
      await chmod(temporary, 0o444);
      await rename(temporary, path);
      await recordVerified(path);
      this.bytesStored += sizeBytes;
      return { sha256: digest, sizeBytes, path };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Stores the text of a page. */
  async keep(bytes: Buffer): Promise<StoredFile> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const known = await this.find(sha256);
    if (known !== undefined) return known;
    const path = join(this.#folder, sha256);
    const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
    await writeFile(temporary, bytes, { mode: 0o444, flag: 'wx' });
    await rename(temporary, path);
    await recordVerified(path);
    return { sha256, sizeBytes: bytes.length, path };
  }
}

export const strongestOf = ({ hashes }: Expected): string | undefined =>
  STRONG.find((name) => hashes[name] !== undefined);

function check(expected: Expected, strongest: string | undefined, found: string | undefined, size: number): void {
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== size)
    throw new WrongBytes(`${expected.sizeBytes} bytes`, `${size} bytes`);
  const wanted = strongest === undefined ? undefined : expected.hashes[strongest];
  if (wanted !== undefined && wanted !== found) throw new WrongBytes(`${strongest}:${wanted}`, `${strongest}:${found}`);
}
