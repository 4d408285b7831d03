// Unpacks untrusted archives: all of the archive or nothing, and nothing outside the given folder.

import { closeSync, createReadStream, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream';
import * as zlib from 'node:zlib';
import { fail, FailureError, hasCode, succeed, unreachable, type Failure, type Result } from '../failure.js';
import { streamTool } from '../process/subprocess.js';
import {
  archiveTooLarge,
  cannotUnpack,
  corruptArchive,
  noZstd,
  unpackAborted,
  unsupportedEntry,
  unsupportedFormat,
} from './failures.js';
import { TarReader, type TarEntry } from '../files/tar-reader.js';
import { UnpackFolder, writeFully } from './unpack-folder.js';
import { removeTree } from '../files/remove-tree.js';

export interface UnpackRequest {
  readonly file: string;
  readonly format: 'tar' | 'tar.gz' | 'tar.zst' | 'zip';
  /** Made when missing; emptied when unpacking fails. */
  readonly into: string;
  /** How messages name `file` and `into`. Default: as they are. */
  readonly shown?: { readonly file: string; readonly into: string };
  /** Leading path components to drop. */
  readonly strip?: number;
  /** Keep an entry? Gets the path after `strip`. */
  readonly keep?: (path: string) => boolean;
  /** Where to look for the program `zstd` when this Node has none built in. */
  readonly searchPath: readonly string[];
  readonly signal: AbortSignal;
  /** Bytes of the archive read so far, and its size. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Of all unpacked files together. Default 4 GiB. */
  readonly maxBytes?: number;
  /** Default 200,000. */
  readonly maxEntries?: number;
}

interface Unpacked {
  /** Files and links. */
  readonly files: number;
  readonly bytes: number;
}

/** Above this size, honest archives unpack to ten or a hundred times their own size, not more. */
const ORDINARY_BYTES = 64 * 1024 ** 2;
const MOST_RATIO = 300;
const CHUNK_BYTES = 256 * 1024;
/** Headers, long names and padding of one entry. */
const MAX_BYTES_BESIDE_ENTRY = 4096;

export async function unpackArchive(request: UnpackRequest): Promise<Result<Unpacked, Failure>> {
  const { format, into, signal, shown = request } = request;
  const archive = basename(shown.file);
  if (signal.aborted) return fail(unpackAborted(archive));
  const bytes = decompress(request, archive);
  if (!bytes.ok) return bytes;
  try {
    const folder = new UnpackFolder(archive, into, request.strip ?? 0, {
      maxBytes: request.maxBytes ?? 4 * 1024 ** 3,
      maxEntries: request.maxEntries ?? 200_000,
    });
    await unpackTar(bytes.value, folder, request);
    return succeed({ files: folder.files, bytes: folder.bytes });
  } catch (error) {
    empty(into);
    if (signal.aborted) return fail(unpackAborted(archive));
    return fail(failureOf(error, archive, shown.into, format));
  }
}

function failureOf(error: unknown, archive: string, into: string, format: string): Failure {
  if (error instanceof FailureError) {
    const { failure } = error;
    // The only program run is zstd.
    return hasCode(failure, 'command::not-found') ? noZstd(archive) : failure;
  }
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  // The archive is to blame for names that no file system here can hold.
  if (code === 'ENAMETOOLONG') return unsupportedEntry(archive, message, 'a name is too long.');
  if (syscall !== undefined) return cannotUnpack(archive, into, message);
  return corruptArchive(archive, `It can't be read as ${format}: ${message}`);
}

/** Removes what it can; the failure that led here is the one to report. */
function empty(into: string): void {
  try {
    for (const name of readdirSync(into)) removeTree(join(into, name));
  } catch {
    // Never created, or not ours.
  }
}

/** The bytes of the tar archive inside. */
function decompress(request: UnpackRequest, archive: string): Result<AsyncIterable<Buffer>, Failure> {
  const { file, format, searchPath, onProgress } = request;
  if (format === 'zip') return fail(unsupportedFormat(archive, format, 'pyflow does not unpack zip archives.'));
  const zstd = 'createZstdDecompress' in zlib ? (zlib.createZstdDecompress as typeof zlib.createGunzip) : undefined;
  if (format === 'tar.zst' && zstd === undefined) {
    // With an empty PATH the current folder is searched, and that may be the app's.
    const PATH = searchPath.join(':') || '/nonexistent';
    return succeed(streamTool('zstd', ['-d', '-c', '-q', '--', file], { PATH }));
  }
  const compressed = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  if (onProgress !== undefined) {
    const total = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    compressed.on('data', () => onProgress(compressed.bytesRead, total));
  }
  if (format === 'tar') return succeed(compressed);
  const decompressor = format === 'tar.gz' || zstd === undefined ? zlib.createGunzip : zstd;
  // The reader of the bytes gets the errors of both streams; pipeline requires a callback.
  return succeed(pipeline(compressed, decompressor({ chunkSize: CHUNK_BYTES }), () => {}));
}

async function unpackTar(
  bytes: AsyncIterable<Buffer>,
  folder: UnpackFolder,
  { file, signal, keep }: UnpackRequest,
): Promise<void> {
  const { archive, limits } = folder;
  // Padding and headers don't count as content, but a few packed bytes can unpack to any number of them.
  const maxTarBytes = limits.maxBytes + limits.maxEntries * MAX_BYTES_BESIDE_ENTRY;
  let openFile: number | undefined;
  const close = (): void => {
    if (openFile !== undefined) closeSync(openFile);
    openFile = undefined;
  };
  // Writes are synchronous: for thousands of small files this is several times faster than the thread pool.
  const reader = new TarReader({
    onEntry(entry) {
      const descriptor = startEntry(folder, entry, keep);
      openFile = descriptor;
      return descriptor === undefined ? undefined : (chunk) => writeFully(descriptor, chunk);
    },
    onEnd: close,
  });
  const packed = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  let received = 0;
  try {
    for await (const chunk of bytes) {
      signal.throwIfAborted();
      received += chunk.length;
      if (received > maxTarBytes)
        throw new FailureError(archiveTooLarge(archive, `It unpacks to more than ${maxTarBytes} bytes.`));
      if (received > ORDINARY_BYTES && received > packed * MOST_RATIO)
        throw new FailureError(archiveTooLarge(archive, `It unpacks to more than ${MOST_RATIO} times its own size.`));
      reader.write(chunk);
    }
    signal.throwIfAborted();
    reader.end();
  } finally {
    close();
  }
}

/** A descriptor to write the content to; undefined for entries without content or that are not kept. */
function startEntry(folder: UnpackFolder, entry: TarEntry, keep: UnpackRequest['keep']): number | undefined {
  const { name, type, typeName, size, mode, target } = entry;
  const path = folder.pathOf(name);
  if (path === undefined || !(keep?.(path) ?? true)) return undefined;
  switch (type) {
    case 'file':
      return folder.openFile(path, size, (mode & 0o100) !== 0);
    case 'directory':
      folder.directory(path);
      return undefined;
    case 'symlink':
      folder.symlink(path, target);
      return undefined;
    case 'link':
      folder.link(path, target);
      return undefined;
    case 'other':
      throw new FailureError(unsupportedEntry(folder.archive, name, `it is ${typeName}.`));
    default:
      return unreachable(type);
  }
}
