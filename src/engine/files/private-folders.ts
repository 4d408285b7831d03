// Private folders of a run: one on the cache's disk, one in memory if possible. A later run sweeps those of dead runs.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { freeBytesIn } from './free-space.js';
import { createClaim, isAbandoned, releaseClaim } from './claim.js';
import { removeTreeGently, removalsEnded } from './removals.js';
import { removeTree, type Leftover } from './remove-tree.js';
import { makePrivateFolder } from './private-files.js';

export interface RunDir {
  /** Sorts by time of start. */
  readonly runId: string;
  /** For small views: in memory if there is room, else the same as `largeDir`. */
  readonly smallDir: string;
  readonly largeDir: string;
  /** Removes both folders with their content. */
  remove(): Promise<void>;
}

const MEMORY = '/dev/shm';
const PREFIX = 'pyflow-run-';
const OWNER = 'owner';
/** A run folder without an owner file was just made, or the process that made it died in between. */
const UNOWNED_MS = 60_000;

/** The folders are made on first use, since a run that executes nothing needs none. */
export function createRunDir(cacheDir: string, { runId = newRunId() }: { readonly runId?: string } = {}): RunDir {
  let large: string | undefined;
  let small: string | undefined;
  const makeLarge = (): string => (large ??= makeClaimed(cacheDir, runId));
  return {
    runId,
    get largeDir() {
      return `${makeLarge()}/files`;
    },
    get smallDir() {
      small ??= (hasRoomInMemory() ? makeInMemory(runId) : undefined) ?? makeLarge();
      return `${small}/files`;
    },
    async remove() {
      const made = new Set([large, small].filter((folder) => folder !== undefined));
      [large, small] = [undefined, undefined];
      await removalsEnded();
      // The claim is released last, so that a run that dies in between is swept.
      for (const folder of made) await removeTreeGently(`${folder}/files`);
      for (const folder of made) {
        releaseClaim(`${folder}/${OWNER}`);
        removeTree(folder);
      }
    },
  };
}

function newRunId(): string {
  const time = new Date().toISOString().replace(/[-:]|\.\d+Z/g, '');
  return `${time}-${randomBytes(4).toString('hex')}`;
}

/** Without a writable cache, the folder is made in the system's temporary folder. */
function makeClaimed(cacheDir: string, runId: string): string {
  try {
    const isNew = makePrivateFolder(`${cacheDir}/tmp`) !== undefined;
    const folder = claim(`${cacheDir}/tmp/${PREFIX}${runId}`);
    spreadFolders([...(isNew ? [`${cacheDir}/tmp`] : []), `${folder}/files`]);
    return folder;
  } catch {
    return claim(`${tmpdir()}/${PREFIX}${runId}`);
  }
}

const CHATTR = '/usr/bin/chattr';

/**
 * ext4 reuses an inode only minutes after its file was removed, and until then every new file in the same part of the disk
 * skips over it: creating a file where thousands were just removed took up to a hundred times as long. Below a folder
 * marked as the top of a hierarchy, each new folder starts in another part, and a run makes a folder for each node.
 */
function spreadFolders(folders: readonly string[]): void {
  const EXT4 = 0xef53;
  try {
    if (process.platform !== 'linux' || statfsSync(folders[0]!).type !== EXT4) return;
    spawnSync(CHATTR, ['+T', ...folders], { stdio: 'ignore', timeout: 1000 });
  } catch {
    // It costs time only.
  }
}

function makeInMemory(runId: string): string | undefined {
  try {
    return claim(`${MEMORY}/${PREFIX}${runId}`);
  } catch {
    return undefined;
  }
}

/** For files that a run must keep although its cache is not writable: where most space is free, swept like run folders. */
export function createPrivateFolder(name: string): string {
  const parent = freeBytesIn(MEMORY) > freeBytesIn(tmpdir()) ? MEMORY : tmpdir();
  return `${claim(`${parent}/${PREFIX}${name}`)}/files`;
}

export function removePrivateFolder(folder: string): void {
  const parent = dirname(folder);
  removeTree(folder);
  releaseClaim(`${parent}/${OWNER}`);
  removeTree(parent);
}

function claim(folder: string): string {
  mkdirSync(folder, { mode: 0o700 });
  createClaim(`${folder}/${OWNER}`);
  mkdirSync(`${folder}/files`, { mode: 0o700 });
  return folder;
}

const LEAST_ROOM = 256 * 1024 * 1024;
const TMPFS = 0x01021994;

function hasRoomInMemory(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const { type, bavail, bsize } = statfsSync(MEMORY);
    if (type !== TMPFS || bavail * bsize < LEAST_ROOM) return false;
    // Containers often mount it with noexec, but scripts of a view must run.
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const options = mounts.findLast((line) => line.split(' ')[1] === MEMORY)?.split(' ')[3];
    return options !== undefined && !options.split(',').includes('noexec');
  } catch {
    return false;
  }
}

/** `left`: what could not be removed; the next sweep tries again. */
interface Sweep {
  readonly folders: number;
  readonly left: readonly Leftover[];
}

/** Removes folders of dead runs. */
export async function sweepDeadRuns(cacheDir: string): Promise<Sweep> {
  let folders = 0;
  const left: Leftover[] = [];
  for (const parent of new Set([`${cacheDir}/tmp`, MEMORY, tmpdir()])) {
    for (const name of namesIn(parent)) {
      const folder = `${parent}/${name}`;
      if (!name.startsWith(PREFIX) || !isDead(folder)) continue;
      const leftover = await removeTreeGently(folder);
      if (leftover === undefined) folders++;
      else left.push(leftover);
    }
  }
  return { folders, left };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isDead(folder: string): boolean {
  try {
    const stats = lstatSync(folder);
    // Other users' folders are in memory and the temporary folder too.
    if (!stats.isDirectory() || (process.getuid !== undefined && stats.uid !== process.getuid())) return false;
    // A command may have closed the folder. It can't be a link, because only its owner can replace it.
    if ((stats.mode & 0o700) !== 0o700) chmodSync(folder, 0o700);
    if (readdirSync(folder).includes(OWNER)) return isAbandoned(`${folder}/${OWNER}`);
    return Date.now() - stats.mtimeMs > UNOWNED_MS;
  } catch {
    return false;
  }
}
