// The tar archive of a tree, in pieces: sorted, with fixed times and owners, so that its bytes depend on the tree alone.

import { createHash } from 'node:crypto';
import { FailureError } from '../failure.js';
import { hexOf, sizeOf, type Digest } from '../files/digest.js';
import { Folder } from '../files/folder.js';
import { FOLDER_MODE, modeOfFile } from '../files/modes.js';
import { tarHeader, tarPadding } from '../files/tar-header.js';
import { changedDuringRun } from '../app/source-digests.js';
import { BlobLost } from '../store/blobs.js';
import type { LocalStore } from '../store/local-store.js';
import { walk } from '../trees/directories.js';
import { MissingBlob } from '../trees/output-tree.js';
import type { DirectoryTable } from '../trees/tree.js';

/** Where the bytes of the slug's files are. */
export interface FileBytes {
  /** In pieces, each valid until the next one is asked for. Throws `MissingBlob`, or a `FailureError` for a changed source. */
  chunks(digest: Digest): AsyncIterable<Buffer>;
  /** Says which will be needed soon. */
  prefetch(digests: readonly Digest[]): Promise<void>;
}

const PIECE_BYTES = 256 * 1024;

/** `sources`: digest -> path in the app, for bytes that the store may not hold. */
export function bytesOfSlug(store: LocalStore, appDir: string, sources: ReadonlyMap<Digest, string>): FileBytes {
  const app = new Folder(appDir);
  return {
    chunks: (digest) => {
      const path = sources.get(digest);
      return path === undefined || store.has(digest) ? storedChunks(store, digest) : ofSource(app, path, digest);
    },
    prefetch: (digests) => store.prefetch(digests.filter((digest) => !sources.has(digest))),
  };
}

/** Throws `MissingBlob`. */
export async function* storedChunks(store: LocalStore, digest: Digest): AsyncGenerator<Buffer> {
  try {
    yield* store.chunks(digest);
  } catch (error) {
    throw error instanceof BlobLost ? new MissingBlob(error.digest) : error;
  }
}

async function* ofSource(app: Folder, path: string, digest: Digest): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const size = sizeOf(digest);
  const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size));
  for (let at = 0; at < size;) {
    // Opened for each piece, because nothing may stay open while the consumer works.
    const count = app.withFile(path, (file) => file.read(piece, 0, Math.min(piece.length, size - at), at)) ?? 0;
    if (count === 0) throw new FailureError(changedDuringRun(path));
    hash.update(piece.subarray(0, count));
    at += count;
    // The last piece must not leave before the file is known to be the right one.
    if (at === size && hash.digest('hex') !== hexOf(digest)) throw new FailureError(changedDuringRun(path));
    yield piece.subarray(0, count);
  }
}

export interface TarSource {
  readonly table: DirectoryTable;
  /** Digest of the root Directory message. */
  readonly root: Digest;
  /** The folder in the archive: `app`, or empty. */
  readonly folder: string;
  /** Of all entries, in seconds since the epoch. */
  readonly mtimeS: number;
}

/** Without the two blocks that end an archive, so that archives of several trees can follow one another. */
export async function* tarOf({ table, root, folder, mtimeS }: TarSource, bytes: FileBytes): AsyncGenerator<Buffer> {
  const digests: Digest[] = [];
  for (const [, entry] of walk(table, root)) if (entry.type === 'file') digests.push(entry.digest);
  await bytes.prefetch(digests);
  const prefix = folder === '' ? '' : `${folder}/`;
  const member = { size: 0, target: '', mtimeS };
  if (folder !== '') {
    const mode = table.get(root)?.mode ?? FOLDER_MODE;
    yield tarHeader({ ...member, name: folder, type: 'directory', mode });
  }
  for (const [path, entry] of walk(table, root)) {
    const name = prefix + path;
    if (entry.type === 'directory') {
      yield tarHeader({ ...member, name, type: 'directory', mode: entry.mode ?? FOLDER_MODE });
    } else if (entry.type === 'symlink') {
      yield tarHeader({ ...member, name, type: 'symlink', mode: 0o777, target: entry.target });
    } else {
      const size = sizeOf(entry.digest);
      yield tarHeader({ ...member, name, type: 'file', mode: modeOfFile(entry), size });
      if (size > 0) yield* bytes.chunks(entry.digest);
      yield tarPadding(size);
    }
  }
}
