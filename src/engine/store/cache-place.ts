// Refuses a cache folder that several machines could use at the same time: what keeps runs apart works within one machine only.

import { existsSync } from 'node:fs';
import type { Failure } from '../failure.js';
import { publishFile } from '../files/sealed-json.js';
import { sharedMountOf, type MountTable } from '../files/shared-mount.js';

/** A file in the cache folder. With it, the operator states that one machine at a time uses the folder. */
const ONE_MACHINE = 'one-machine';

/** Undefined if the folder can be used. */
export function refusedPlace(cacheDir: string, mounts?: MountTable): Failure | undefined {
  const mount = sharedMountOf(cacheDir, mounts);
  return mount?.shared === 'network' && !isDeclared(cacheDir) ? onNetwork(cacheDir, mount.type) : undefined;
}

/** Once for each cache; undefined if there is nothing to say. Call it when the folder exists and is writable. */
export function placeNotice(cacheDir: string, mounts?: MountTable): string | undefined {
  const mount = sharedMountOf(cacheDir, mounts);
  if (mount?.shared !== 'host' || isDeclared(cacheDir)) return undefined;
  const marker = `${cacheDir}/state/shared-folder-noticed`;
  if (existsSync(marker) || !publishFile(marker, '')) return undefined;
  return (
    `The cache ${cacheDir} is on a folder that this machine shares with its host (${mount.type}). That is safe while one machine at a ` +
    'time uses it. If several do, give each its own with --cache-dir, and share results through a remote cache. pyflow warns only once.'
  );
}

/** For a caller that knows that the platform gives the folder to one machine at a time. Does nothing on a local file system. */
export function declareOneMachine(cacheDir: string, mounts?: MountTable): void {
  if (sharedMountOf(cacheDir, mounts) !== undefined && !isDeclared(cacheDir))
    publishFile(`${cacheDir}/${ONE_MACHINE}`, '');
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
