// Polls how much the commands of one node use while they run, and ends them when they exceed a limit. Polling is needed
// because only some machines let us make control groups, and rlimits count per process or per user.

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { NodeLimits } from '../../../manifests/pipeline/manifest.js';
import { freeBytesIn } from '../../files/free-space.js';
import { joinControlGroup, makeControlGroup, type ControlGroup } from './control-group.js';
import { withDefaults, type Excess } from './limits.js';

/** The processes of one command, and how to end them all at once. */
export interface WatchedCommand {
  /** Paths like /proc/123, one for each process. */
  readonly processes: () => readonly string[];
  readonly kill: () => void;
}

const FIRST_LOOK_MS = 50;
const LOOK_MS = 100;
/** Polling may take at most this share of the time. */
const SHARE_OF_TIME = 0.05;
/** Folders are walked at least this often while a command runs. */
const WALK_EVERY_MS = 10_000;
const WALK_TIMEOUT_MS = 20_000;
/** Free space that no node may use, unless it has a limit that allows it. */
const KEPT_FREE_BYTES = 256 * 1024 * 1024;

interface UsageOptions {
  readonly limits: NodeLimits;
  /** Where its commands write, as this process sees them. */
  readonly folders: readonly string[];
  readonly onExcess: (excess: Excess) => void;
}

export class UsageWatch {
  readonly #options: UsageOptions;
  readonly #limits: ReturnType<typeof withDefaults>;
  readonly #startedAt = Date.now();
  readonly #commands = new Set<WatchedCommand>();
  readonly #freeAtStart: ReadonlyMap<string, number>;
  #timer: NodeJS.Timeout | undefined;
  #walking: Promise<void> | undefined;
  #walkedAt = performance.now();
  #excess: Excess | undefined;
  #group: ControlGroup | undefined;

  constructor(options: UsageOptions) {
    this.#options = options;
    this.#limits = withDefaults(options.limits);
    this.#freeAtStart = new Map(options.folders.map((folder) => [folder, freeBytesIn(folder)]));
  }

  /** The control group for the node's processes, if the node has its own limit and the machine lets us make groups. */
  get group(): ControlGroup | undefined {
    if (this.#options.limits.processes === undefined) return undefined;
    return (this.#group ??= makeControlGroup(this.#limits.processes));
  }

  /** After the last command. */
  close(): void {
    this.#group?.remove();
  }

  /** Returns what to call when the command is over. */
  begin(command: WatchedCommand): () => void {
    this.#commands.add(command);
    if (this.#excess !== undefined) command.kill();
    if (this.#options.limits.processes === undefined) joinControlGroup(this.#limits.processes);
    this.#timer ??= setTimeout(() => this.#look(), FIRST_LOOK_MS);
    return () => {
      this.#commands.delete(command);
      if (this.#commands.size > 0) return;
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  /** Call it after a command. It also notices what the command wrote too quickly to be seen while it ran. */
  async isExceeded(): Promise<boolean> {
    await this.#walking;
    if (this.#excess === undefined && this.#options.limits.disk !== undefined) await this.#walk();
    return this.#excess !== undefined;
  }

  #look(): void {
    const startedAt = performance.now();
    const processes = [...this.#commands].flatMap((command) => command.processes());
    const excess = processesBeyond(processes, this.#limits.processes) ?? memoryBeyond(processes, this.#limits.memory);
    if (excess !== undefined) this.#exceed(excess);
    else this.#lookAtDisk();
    const pauseMs = Math.max(LOOK_MS, (performance.now() - startedAt) / SHARE_OF_TIME);
    // Again until all are gone: a process may have started another one just before it was killed.
    this.#timer = setTimeout(() => this.#look(), this.#excess === undefined ? pauseMs : 1);
  }

  #exceed(excess: Excess): void {
    const isFirst = this.#excess === undefined;
    this.#excess ??= excess;
    for (const command of this.#commands) command.kill();
    if (isFirst) this.#options.onExcess(excess);
  }

  /** Asking for the free space of a disk is cheap; folders are walked only if it shrank enough to be our doing. */
  #lookAtDisk(): void {
    if (this.#walking !== undefined) return;
    const isSuspicious = [...this.#freeAtStart].some(([folder, free]) => {
      const taken = free - freeBytesIn(folder);
      return taken > this.#diskLimit(free) / 2;
    });
    const isTime = this.#options.limits.disk !== undefined && performance.now() - this.#walkedAt > WALK_EVERY_MS;
    if (!isSuspicious && !isTime) return;
    this.#walking = this.#walk().finally(() => {
      this.#walking = undefined;
    });
  }

  #diskLimit(free: number): number {
    return this.#options.limits.disk ?? Math.max(free - KEPT_FREE_BYTES, free * 0.9);
  }

  async #walk(): Promise<void> {
    const limit = this.#diskLimit(Math.max(...this.#freeAtStart.values()));
    const used = await writtenSince(this.#startedAt, this.#options.folders);
    this.#walkedAt = performance.now();
    if (used > limit) this.#exceed({ what: 'disk', limit, used });
  }
}

function processesBeyond(processes: readonly string[], limit: number): Excess | undefined {
  if (processes.length > limit) return { what: 'processes', limit, used: processes.length };
  return undefined;
}

/** A field of the kernel's text, in kB. */
function field(text: string, name: string): number {
  const at = text.indexOf(`\n${name}:`);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length + 2), 10);
}

function memoryBeyond(processes: readonly string[], limit: number): Excess | undefined {
  let used = 0;
  for (const path of processes) {
    const status = read(`${path}/status`) ?? '';
    used += 1024 * (field(status, 'RssAnon') + field(status, 'RssShmem'));
  }
  if (used <= limit) return undefined;
  // Memory shared after a fork was counted for each process, so count again, exactly.
  used = 0;
  for (const path of processes) {
    const rollup = read(`${path}/smaps_rollup`);
    const exact = rollup === undefined ? undefined : field(rollup, 'Pss_Anon') + field(rollup, 'Pss_Shmem');
    const status = exact ? '' : (read(`${path}/status`) ?? '');
    used += 1024 * (exact || field(status, 'RssAnon') + field(status, 'RssShmem'));
  }
  return used > limit ? { what: 'memory', limit, used } : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

/**
 * Bytes in files that changed since then. A separate program counts them, since trees may be large, deep and hostile.
 * Holes count, because the slug would contain them filled.
 */
function writtenSince(since: number, folders: readonly string[]): Promise<number> {
  // The kernel rounds the times of files down to its clock tick.
  const after = `@${(since / 1000 - 0.02).toFixed(3)}`;
  const args = [...folders, '-xdev', '-type', 'f', '-newerct', after, '-printf', '%D:%i %s %b\n'];
  return new Promise((resolve) => {
    const child = spawn('find', args, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: WALK_TIMEOUT_MS,
    });
    const seen = new Set<string>();
    let used = 0;
    let rest = '';
    child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [inode = '', size = '0', blocks = '0'] = line.split(' ');
        if (seen.has(inode)) continue;
        seen.add(inode);
        used += Math.max(Number(size), Number(blocks) * 512);
      }
    });
    child.on('error', () => resolve(0));
    child.on('close', () => resolve(used));
  });
}

/** The processes of a namespace, as paths that work from outside; found through its first process. */
export function processesInside(init: number): readonly string[] {
  const root = `/proc/${init}/root/proc`;
  try {
    return readdirSync(root)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => `${root}/${name}`);
  } catch {
    return [];
  }
}

/** A process and its descendants, without those that were adopted by another process. */
export function processesBelow(top: number): readonly string[] {
  const found: string[] = [];
  const waiting = [String(top)];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    found.push(`/proc/${pid}`);
    try {
      for (const task of readdirSync(`/proc/${pid}/task`))
        waiting.push(...readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean));
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}
