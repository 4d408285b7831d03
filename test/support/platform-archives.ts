// Archives as the platform has them: the prefix of a Python without an enclosing folder, compressed with zstd.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { platformArchiveName } from '../../src/manifests/catalogue/platform-archives.js';
import type { PreparedRuntime } from './runtimes.js';

export interface PlatformArchiveFile {
  readonly folder: string;
  readonly name: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * Makes an archive of a Python of this machine, with extra files that do not belong in a slug. Needs the program zstd.
 */
export function platformArchive(runtime: PreparedRuntime, folder: string, stack: string): PlatformArchiveFile {
  const name = platformArchiveName(runtime.version, { stack, arch: process.arch });
  if (name === undefined) throw new Error(`no archives for ${stack} on ${process.arch}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  const prefix = join(runtime.appDir, '.scalingo/python');
  execFileSync('tar', ['-C', prefix, '-I', 'zstd -1 -T2', '-cf', file, '.']);
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  return { folder, name, sha256, sizeBytes: statSync(file).size };
}

/** The text of a pin file for the archives. */
export const pinsOf = (...archives: readonly PlatformArchiveFile[]): string =>
  JSON.stringify({
    archives: Object.fromEntries(archives.map(({ name, sha256, sizeBytes }) => [name, { sha256, sizeBytes }])),
  });
