// Which packages the last build of this app found, for a day on which the archive gives no answer.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import type { RunContext } from '../../engine/sdk.js';
import type { Distribution } from '../../manifests/catalogue/distributions.js';
import type { PackageFile } from './apt.js';

/** As long as the distributions themselves let an index of security updates count. */
export const KEPT_MS = 7 * 24 * 60 * 60 * 1000;

interface Kept {
  /** Milliseconds since the epoch: when the index was read. */
  readonly at: number;
  readonly files: readonly PackageFile[];
}

const pathOf = (context: RunContext, { id, version, architecture }: Distribution): string =>
  `${context.cacheDir}/packages-${id}-${version}-${architecture}.json`;

export async function keepPackages(
  context: RunContext,
  distribution: Distribution,
  files: readonly PackageFile[],
  now: number,
): Promise<void> {
  const path = pathOf(context, distribution);
  await mkdir(context.cacheDir, { recursive: true });
  const kept: Kept = { at: now, files };
  await writeFile(`${path}.${process.pid}`, JSON.stringify(kept));
  await rename(`${path}.${process.pid}`, path);
}

/** Undefined when these packages were never found, or too long ago. */
export async function keptPackages(
  context: RunContext,
  distribution: Distribution,
  names: readonly string[],
  now: number,
): Promise<readonly PackageFile[] | undefined> {
  let kept: Partial<Kept>;
  try {
    kept = JSON.parse(await readFile(pathOf(context, distribution), 'utf8')) as Partial<Kept>;
  } catch {
    return undefined;
  }
  const { at = 0, files = [] } = kept;
  // A time to come was written by another clock.
  if (at > now || now - at > KEPT_MS) return undefined;
  const found = names.flatMap((name) => files.find((file) => file.name === name) ?? []);
  return found.length === names.length ? found : undefined;
}
