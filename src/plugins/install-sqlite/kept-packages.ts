// Remembers the packages that the last build of this app found, for builds while the archive is unreachable.

import type { Folder } from '../../engine/sdk.js';
import type { Distribution } from '../../manifests/catalogue/distributions.js';
import type { PackageFile } from './apt.js';

/** The time for which the distributions consider an index of security updates valid. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

interface Kept {
  /** When the index was read, in milliseconds since the epoch. */
  readonly at: number;
  readonly files: readonly PackageFile[];
}

const pathOf = ({ id, version, architecture }: Distribution): string =>
  `packages-${id}-${version}-${architecture}.json`;

export function keepPackages(
  cache: Folder,
  distribution: Distribution,
  files: readonly PackageFile[],
  now: number,
): void {
  const path = pathOf(distribution);
  const kept: Kept = { at: now, files };
  cache.write(`${path}.${process.pid}`, JSON.stringify(kept));
  cache.rename(`${path}.${process.pid}`, path);
}

/** A build may have put anything into a file of the cache. */
const isKeptFile = (value: unknown): value is Kept =>
  typeof value === 'object' &&
  value !== null &&
  'at' in value &&
  typeof value.at === 'number' &&
  'files' in value &&
  Array.isArray(value.files) &&
  value.files.every(
    (file: Partial<Record<keyof PackageFile, unknown>> | null) =>
      typeof file?.name === 'string' &&
      typeof file.version === 'string' &&
      typeof file.path === 'string' &&
      typeof file.sizeBytes === 'number' &&
      typeof file.sha256 === 'string',
  );

/** Undefined if these packages were never found, or too long ago. */
export function keptPackages(
  cache: Folder,
  distribution: Distribution,
  names: readonly string[],
  now: number,
): readonly PackageFile[] | undefined {
  let kept: unknown;
  try {
    kept = JSON.parse(cache.readText(pathOf(distribution)) ?? '');
  } catch {
    return undefined;
  }
  if (!isKeptFile(kept)) return undefined;
  const { at, files } = kept;
  // A time in the future comes from another clock.
  if (at > now || now - at > KEPT_MS) return undefined;
  const found = names.flatMap((name) => files.find((file) => file.name === name) ?? []);
  return found.length === names.length ? found : undefined;
}
