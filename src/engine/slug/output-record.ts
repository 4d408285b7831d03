// What a run notes about an output that it wrote, so that a later one can see by the stats of the files that all of it is still
// there.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '../files/digest.js';
import { readSealed, writeSealed, type Seal } from '../files/sealed-json.js';
import type { SlugTrace } from '../app/slug-marker.js';
import { runsDir } from '../run/run-record.js';

export interface OutputRecord {
  /** Digest over what decides the bytes. */
  readonly key: string;
  /** SHA-256 in hex of a file's content, and its size. Absent for a layout. */
  readonly file?: { readonly hex: string; readonly bytes: number };
  /** With absolute paths. */
  readonly traces: readonly SlugTrace[];
}

interface Place {
  readonly cacheDir: string;
  readonly appId: string;
  /** Path of the output. */
  readonly path: string;
}

const VERSION = 1;
const sealOf = ({ appId, path }: Place): Seal => ({ kind: 'output', version: VERSION, of: `${appId} ${path}` });
const fileOf = ({ cacheDir, appId, path }: Place): string =>
  join(runsDir(cacheDir, appId), `output-${sha256Hex(path).slice(0, 24)}.json`);

export const readOutputRecord = (place: Place): OutputRecord | undefined =>
  readSealed<OutputRecord>(fileOf(place), sealOf(place));

export const writeOutputRecord = (place: Place, record: OutputRecord): boolean =>
  writeSealed(fileOf(place), sealOf(place), record);

/** Undefined if there is no regular file. */
export function traceOfFile(path: string): SlugTrace | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true ? [path, stat.mtimeMs, stat.ctimeMs, stat.ino] : undefined;
}

/** Whether the file is as the trace says. Throws the system's error if the path can't be looked at. */
export function isUntouched(trace: SlugTrace): boolean {
  const now = traceOfFile(trace[0]);
  return now !== undefined && now.every((value, index) => value === trace[index]);
}
