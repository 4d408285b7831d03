// Refuses a cache folder that several machines could use at the same time: what keeps runs apart works within one machine only.

import { existsSync } from 'node:fs';
import type { Failure } from '../failure.js';
import { noteCacheRoot } from '../files/private-files.js';
import { publishFile } from '../files/sealed-json.js';
import { sharedMountOf, type MountTable, type SharedMount } from '../files/shared-mount.js';

/** A file in the cache folder. With it, the operator states that one machine at a time uses the folder. */
const ONE_MACHINE = 'one-machine';

const known = new Map<string, SharedMount | undefined>();
/** Asks this machine once about each folder. */
function mountOf(cacheDir: string, mounts: MountTable | undefined): SharedMount | undefined {
  if (mounts !== undefined) return sharedMountOf(cacheDir, mounts);
  if (!known.has(cacheDir)) known.set(cacheDir, sharedMountOf(cacheDir));
  return known.get(cacheDir);
}

/** Undefined if the folder can be used. */
export function refusedPlace(cacheDir: string, mounts?: MountTable): Failure | undefined {
  const mount = mountOf(cacheDir, mounts);
  return mount?.shared === 'network' && !isDeclared(cacheDir) ? onNetwork(cacheDir, mount.type) : undefined;
}

/**
 * Says what may be on purpose, so only once for each cache. For runs, which show it; call it when the folder exists and is
 * writable.
 */
export function tellOfPlace(cacheDir: string, tell: (code: string, text: string) => void, mounts?: MountTable): void {
  const tellOnce = (marker: string, code: string, text: string): void => {
    const path = `${cacheDir}/state/${marker}`;
    // If it could not be noted, every run would say it.
    if (!existsSync(path) && publishFile(path, '')) tell(code, text);
  };
  if (noteCacheRoot(cacheDir) === 'open') tellOnce('open-cache-noticed', 'cache::open-to-others', openCache(cacheDir));
  const mount = mountOf(cacheDir, mounts);
  if (mount?.shared === 'host' && !isDeclared(cacheDir))
    tellOnce('shared-folder-noticed', 'cache::shared-folder', onHost(cacheDir, mount.type));
}

const openCache = (cacheDir: string): string =>
  `Other users of this machine can read the cache ${cacheDir}. ` +
  `To close it, run \`chmod 700 ${cacheDir}\`. To share it on purpose, run \`chmod g+s ${cacheDir}\`. pyflow warns only once.`;

const onHost = (cacheDir: string, type: string): string =>
  `The cache ${cacheDir} is on a folder that this machine shares with its host (${type}). That is safe while one machine at a ` +
  'time uses it. If several do, give each its own with --cache-dir, and share results through a remote cache. pyflow warns only once.';

/** For a caller that knows that the platform gives the folder to one machine at a time. Does nothing on a local file system. */
export function declareOneMachine(cacheDir: string, mounts?: MountTable): void {
  if (mountOf(cacheDir, mounts) !== undefined && !isDeclared(cacheDir)) publishFile(`${cacheDir}/${ONE_MACHINE}`, '');
}

const isDeclared = (cacheDir: string): boolean => existsSync(`${cacheDir}/${ONE_MACHINE}`);

const onNetwork = (cacheDir: string, type: string): Failure => ({
  code: 'cache::network-file-system',
  blame: 'environment',
  title: `The cache folder is on a network file system: ${cacheDir}`,
  detail:
    `The file system is ${type}. Runs of several machines in one folder could remove each other's files, because a run can't tell ` +
    'whether a run of another machine is still alive.',
  remedy:
    '1. Choose a folder on a local disk with --cache-dir or PYFLOW_CACHE_DIR.\n' +
    '2. To share results between machines, use a remote cache: --remote URL.\n' +
    `3. If only one machine at a time uses this folder, create the file ${cacheDir}/${ONE_MACHINE}.`,
});
