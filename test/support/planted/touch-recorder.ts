// Records the paths that this process passes to node:fs and to programs that it starts. Paths that begin at a
// descriptor (`/proc/self/fd/N/name`) are recorded with the folder of the descriptor.

import childProcess, { type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

export interface Touch {
  /** Name of the function, without `Sync`. */
  readonly operation: string;
  /** The path as it was passed; see `pathOf`. */
  readonly given: string;
  /** Whether the call can create, change or remove what is at the path. */
  readonly writes: boolean;
  /** Whether the call follows a link at the path. */
  readonly follows: boolean;
}

type AnyFunction = (...args: unknown[]) => unknown;
export type Spawn = (file: string, args: readonly string[], options: object) => ChildProcess;

/** Function -> indexes of its arguments that are paths. */
const OPERATIONS: Readonly<Record<string, readonly number[]>> = {
  access: [0],
  appendFile: [0],
  chmod: [0],
  chown: [0],
  copyFile: [0, 1],
  cp: [0, 1],
  createReadStream: [0],
  createWriteStream: [0],
  exists: [0],
  lchmod: [0],
  lchown: [0],
  link: [0, 1],
  lstat: [0],
  lutimes: [0],
  mkdir: [0],
  mkdtemp: [0],
  open: [0],
  opendir: [0],
  readFile: [0],
  readdir: [0],
  readlink: [0],
  realpath: [0],
  rename: [0, 1],
  rm: [0],
  rmdir: [0],
  stat: [0],
  statfs: [0],
  symlink: [1],
  truncate: [0],
  unlink: [0],
  utimes: [0],
  writeFile: [0],
};
const WRITING: ReadonlySet<string> = new Set(
  'appendFile chmod chown createWriteStream lchmod lchown link lutimes mkdir mkdtemp rename rm rmdir symlink truncate unlink utimes writeFile'.split(
    ' ',
  ),
);
const OF_THE_ENTRY: ReadonlySet<string> = new Set(
  'lchmod lchown link lstat lutimes mkdir mkdtemp readlink rename rm rmdir symlink unlink'.split(' '),
);
const { constants, readlinkSync } = fs;

/**
 * From here on, records all calls; calling it again has no effect. `spawn` can start another program instead of the
 * requested one.
 */
export function recordTouches(see: (touch: Touch) => void, spawn: (real: Spawn) => Spawn): void {
  for (const [name, paths] of Object.entries(OPERATIONS)) {
    for (const [holder, key] of [
      [fs, name],
      [fs, `${name}Sync`],
      [fs.promises, name],
    ] as const) {
      const table = holder as unknown as Record<string, AnyFunction | undefined>;
      const real = table[key];
      if (typeof real !== 'function') continue;
      const told = function (this: unknown, ...args: unknown[]): unknown {
        for (const at of paths) {
          const given = textOf(args[at]);
          if (given === undefined) continue;
          const how = { writes: isWrite(name, at, args), follows: isFollowing(name, at, args) };
          see({ operation: name, given, ...how });
        }
        return Reflect.apply(real, this, args);
      };
      table[key] = Object.assign(told, real);
    }
  }
  /** The sandbox names folders to mount; other tests check it. */
  const seeArguments = (file: string, args: readonly string[]): void => {
    if (args.includes('--chdir')) return;
    const how = { writes: /\b(?:rm|chattr)$/.test(file), follows: !/\brm$/.test(file) };
    for (const given of args) if (given.startsWith('/')) see({ operation: `run ${file}`, given, ...how });
  };
  const { spawn: start, spawnSync } = childProcess;
  childProcess.spawn = spawn((file, args, options) => {
    seeArguments(file, args);
    return start(file, args, options);
  }) as unknown as typeof childProcess.spawn;
  childProcess.spawnSync = ((file: string, args: readonly string[], options: object) => {
    seeArguments(file, args);
    return spawnSync(file, args, options);
  }) as typeof childProcess.spawnSync;
  syncBuiltinESMExports();
}

function isWrite(name: string, at: number, args: readonly unknown[]): boolean {
  if (name === 'copyFile' || name === 'cp') return at === 1;
  if (name !== 'open') return WRITING.has(name);
  const flags = args[1];
  if (typeof flags === 'string') return flags !== 'r' && flags !== 'rs';
  return typeof flags === 'number' && (flags & (constants.O_WRONLY | constants.O_RDWR | constants.O_CREAT)) !== 0;
}

function isFollowing(name: string, at: number, args: readonly unknown[]): boolean {
  if (OF_THE_ENTRY.has(name)) return false;
  const flags = args[name === 'open' ? 1 : 2];
  if (typeof flags !== 'number') return true;
  if (name === 'copyFile' && at === 1) return (flags & constants.COPYFILE_EXCL) === 0;
  return name !== 'open' || (flags & (constants.O_NOFOLLOW | constants.O_EXCL)) === 0;
}

function textOf(path: unknown): string | undefined {
  if (typeof path === 'string') return path;
  if (Buffer.isBuffer(path)) return path.toString();
  return path instanceof URL ? path.pathname : undefined;
}

/** Replaces the number of a descriptor with its folder. */
export function pathOf(given: string): string {
  const [start, fd] = /^\/proc\/(?:self|\d+)\/fd\/(\d+)/.exec(given) ?? [];
  if (start === undefined) return given;
  try {
    const rest = given.slice(start.length).replace(/\/$/, '');
    return `${readlinkSync(`/proc/self/fd/${fd}`).replace(/ \(deleted\)$/, '')}${rest}`;
  } catch {
    return given;
  }
}
