// Finds and digests the files of a plugin's code: its module and everything that it imports by a relative path.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { sha256Hex } from '../files/digest.js';

export interface PluginCode {
  /** Path -> SHA-256. */
  readonly files: ReadonlyMap<string, string>;
  readonly digest: string;
}

/** A file of the plugin, or one that it imports, is unreadable. */
export class UnreadableImport extends Error {
  constructor(
    readonly file: string,
    /** `FILE:LINE` of the import; absent for the plugin's own file. */
    readonly place: string | undefined,
    reason: string,
  ) {
    super(reason);
  }
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;

export function readPluginCode(entry: string): PluginCode {
  const seen = new Map<string, string>();
  const pending: { readonly file: string; readonly place?: string }[] = [{ file: entry }];
  while (pending.length > 0) {
    const { file, place } = pending.pop()!;
    if (seen.has(file)) continue;
    let bytes: Buffer;
    try {
      bytes = readFileSync(file);
    } catch (error) {
      throw new UnreadableImport(file, place, (error as Error).message);
    }
    seen.set(file, sha256Hex(bytes));
    const text = bytes.toString('utf8');
    for (const { 1: specifier, index } of text.matchAll(IMPORT)) {
      pending.push({
        file: resolve(dirname(file), specifier!),
        place: `${file}:${text.slice(0, index).split('\n').length}`,
      });
    }
  }
  // Files are in the order of discovery, which depends only on their text.
  return { files: seen, digest: sha256Hex([...seen.values()].join('\n')) };
}
