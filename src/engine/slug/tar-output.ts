// `--output tar=FILE`: the parts of the slug in one archive, below `app/`. Compressed parts come from the store as they are.

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fchmodSync, lstatSync, openSync, readdirSync, renameSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { digestOf } from '../files/digest.js';
import { Breather, isModeCut, writeAll } from '../files/new-files.js';
import { removeFile } from '../files/remove-tree.js';
import { TAR_END } from '../files/tar-header.js';
import { isUntouched, readOutputRecord, traceOfFile, writeOutputRecord } from './output-record.js';
import { bodyOf, packPart } from './packed-part.js';
import { tarOf } from './part-tar.js';
import type { OutputJob, Written } from './output-job.js';

const MODE = 0o644;

export async function writeTar(path: string, job: OutputJob): Promise<Written> {
  const { place, parts, mtimeOf, packing } = job;
  const about = { ...place, path };
  const key = digestOf(JSON.stringify([packing.compressor.version, parts.map((part) => [part.root, mtimeOf(part)])]));
  const known = readOutputRecord(about);
  const isThere = known?.key === key && known.traces.every(isUntouched);
  const file = (isThere ? known.file : undefined) ?? (await replaceFile(path, piecesOf(job), packing.signal));
  const trace = traceOfFile(path);
  const traces = trace === undefined ? [] : [trace];
  if (!isThere) writeOutputRecord(about, { key, file, traces });
  return { report: { digest: `sha256:${file.hex}`, bytes: file.bytes }, traces, changed: !isThere };
}

async function* piecesOf({ table, parts, mtimeOf, packing }: OutputJob): AsyncGenerator<Uint8Array> {
  const { compressor, bytes, store } = packing;
  for (const part of parts) {
    const source = { table, root: part.root, folder: 'app', mtimeS: mtimeOf(part) };
    if (compressor.version === 'none') yield* tarOf(source, bytes);
    else yield* bodyOf(store, await packPart(source, packing));
  }
  yield compressor.compress(TAR_END);
}

/** Writes beside the file and renames, so that no reader finds half of it. */
async function replaceFile(path: string, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  sweep(path);
  const temporary = `${dirname(path)}/${prefixOf(path)}${randomBytes(6).toString('hex')}`;
  const fd = openSync(temporary, 'wx', MODE);
  const hash = createHash('sha256');
  const breather = new Breather();
  let bytes = 0;
  try {
    const buffer = new Buffered(fd);
    for await (const piece of pieces) {
      signal.throwIfAborted();
      hash.update(piece);
      bytes += piece.length;
      buffer.write(piece);
      await breather.pause();
    }
    buffer.flush();
    if (isModeCut(MODE)) fchmodSync(fd, MODE);
    signal.throwIfAborted();
    renameSync(temporary, path);
  } catch (error) {
    removeFile(temporary);
    throw error;
  } finally {
    closeSync(fd);
  }
  return { hex: hash.digest('hex'), bytes };
}

/** Collects headers and small files, because a system call for each would take longer than the writing. */
class Buffered {
  readonly #buffer = Buffer.allocUnsafe(256 * 1024);
  #used = 0;

  constructor(private readonly fd: number) {}

  write(piece: Uint8Array): void {
    if (this.#used + piece.length > this.#buffer.length) this.flush();
    if (piece.length > this.#buffer.length) return writeAll(this.fd, piece);
    this.#buffer.set(piece, this.#used);
    this.#used += piece.length;
  }

  flush(): void {
    writeAll(this.fd, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}

const prefixOf = (path: string): string => `.${basename(path)}.pyflow-`;
/** No archive takes longer. */
const DEAD_MS = 3_600_000;

/** Removes what killed runs left there. */
function sweep(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(prefixOf(path)) || !/^[0-9a-f]{12}$/.test(name.slice(prefixOf(path).length))) continue;
    const stat = lstatSync(`${folder}/${name}`, { throwIfNoEntry: false });
    if (stat?.isFile() === true && Date.now() - stat.mtimeMs > DEAD_MS) removeFile(`${folder}/${name}`);
  }
}
