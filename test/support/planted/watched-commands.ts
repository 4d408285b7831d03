// The commands of one node in the sandbox: records what each of them changed, and replays that when the node is
// attacked.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { MOUNTS, type FolderName } from './places.js';
import { plantingCommand, type Planting } from './planter.js';
import type { Spawn } from './touch-recorder.js';

type Folders = Readonly<Partial<Record<FolderName, string>>>;
type Listing = ReadonlyMap<string, string>;

const REPLAY = '/opt/pyflow/replay';
/** Saved before anything is replaced. */
const { lstatSync, readdirSync, mkdirSync, writeFileSync, existsSync, readFileSync } = fs;

export type Mode =
  | { readonly type: 'off' }
  /** Commands run unchanged, and calls are recorded. */
  | { readonly type: 'watch' }
  | { readonly type: 'record' }
  /** `isReal`: the real commands run instead of a replay of their recorded changes. */
  | { readonly type: 'replay'; readonly isReal: boolean; readonly planting?: Planting & { readonly command: number } };

export class WatchedCommands {
  mode: Mode = { type: 'off' };
  /** Folders of the running node; undefined before its first command starts. */
  folders: Folders = {};
  /** Number of commands that have ended. */
  ended = 0;
  isRunning = false;
  readonly changed = new Map<FolderName, Set<string>>();
  private started = 0;

  /** `store`: where changes of commands are kept. */
  constructor(private readonly store: string) {}

  begin(mode: Mode): void {
    this.mode = mode;
    this.folders = {};
    [this.ended, this.started, this.isRunning] = [0, 0, false];
  }

  readonly spawn =
    (real: Spawn): Spawn =>
    (file, args, options) => {
      const at = args.indexOf('--', args.indexOf('--chdir'));
      const folders = args.includes('--chdir') ? foldersIn(args) : {};
      if (
        this.mode.type === 'off' ||
        this.mode.type === 'watch' ||
        at < 0 ||
        folders.app === undefined ||
        folders.app.includes('/trial-')
      ) {
        return real(file, args, options);
      }
      this.folders = folders;
      return this.mode.type === 'record'
        ? this.record(real, file, args, options)
        : this.replay(real, file, args, options);
    };

  private record(real: Spawn, file: string, args: readonly string[], options: object): ReturnType<Spawn> {
    const before = this.list();
    const number = this.started++;
    this.isRunning = true;
    const child = real(file, args, options);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.on('data', (chunk: Buffer | string) => (output[name] += String(chunk)));
    }
    child.once('exit', (status) => {
      [this.isRunning, this.ended] = [false, this.ended + 1];
      this.keep(number, before, this.list(), status ?? 1);
    });
    child.once('close', () => {
      for (const name of ['stdout', 'stderr'] as const) writeFileSync(join(this.folderOf(number), name), output[name]);
    });
    return child;
  }

  private replay(real: Spawn, file: string, args: readonly string[], options: object): ReturnType<Spawn> {
    if (this.mode.type !== 'replay') throw new Error('not now');
    const { isReal, planting } = this.mode;
    const number = this.started++;
    const at = args.indexOf('--', args.indexOf('--chdir'));
    const folder = this.folderOf(number);
    // Commands after the planting one work on what it left, so they must be real.
    const isBehind = planting !== undefined && number > planting.command;
    const isKnown = !isReal && !isBehind && existsSync(join(folder, 'status'));
    const replay = isKnown
      ? { folder: REPLAY, status: Number(readFileSync(join(folder, 'status'), 'utf8')) }
      : undefined;
    const command = plantingCommand(planting?.command === number ? planting : undefined, replay, args.slice(at + 1));
    const closed = args.lastIndexOf('--remount-ro', at);
    const mount = isKnown ? ['--ro-bind', folder, REPLAY] : [];
    this.isRunning = true;
    const child = real(file, [...args.slice(0, closed), ...mount, ...args.slice(closed, at + 1), ...command], options);
    child.once('exit', () => ([this.isRunning, this.ended] = [false, this.ended + 1]));
    return child;
  }

  folderOf(number: number): string {
    return join(this.store, String(number));
  }

  private list(): Listing {
    const found = new Map<string, string>();
    for (const [name, folder] of Object.entries(this.folders)) {
      if (name === 'given') continue;
      const pending = [''];
      for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
        for (const entry of readdirSync(`${folder}${path}`, { withFileTypes: true })) {
          const below = `${path}/${entry.name}`;
          const { mode, size, mtimeMs, ctimeMs, ino } = lstatSync(`${folder}${below}`);
          // The stats of a folder change with each of its entries.
          found.set(
            `${name}${below}`,
            entry.isDirectory() ? `d ${mode}` : `${mode} ${size} ${mtimeMs} ${ctimeMs} ${ino}`,
          );
          if (entry.isDirectory()) pending.push(below);
        }
      }
    }
    return found;
  }

  private keep(number: number, before: Listing, after: Listing, status: number): void {
    const target = this.folderOf(number);
    mkdirSync(target, { recursive: true });
    const changed: string[] = [];
    for (const [path, what] of after) if (before.get(path) !== what) changed.push(path);
    const gone = [...before.keys()].filter((path) => !after.has(path));
    for (const path of [...changed, ...gone]) {
      const [name, below] = split(path);
      const paths = this.changed.get(name) ?? new Set();
      this.changed.set(name, paths.add(below));
    }
    for (const name of Object.keys(this.folders) as FolderName[]) {
      const list = changed.filter((path) => split(path)[0] === name).map((path) => `./${split(path)[1]}\0`);
      if (list.length === 0) continue;
      mkdirSync(join(target, name));
      const tar = ['--null', '--no-recursion', '--files-from=-', '--create', '--file=-'];
      const bytes = execFileSync('tar', tar, { cwd: this.folders[name], input: list.join(''), maxBuffer: 2 ** 30 });
      execFileSync('tar', ['--extract', '--same-permissions', '--file=-'], { cwd: join(target, name), input: bytes });
    }
    const removed = gone.map((path) => `${MOUNTS[split(path)[0]]}/${split(path)[1]}\0`);
    writeFileSync(join(target, 'deleted'), removed.join(''));
    writeFileSync(join(target, 'status'), String(status));
  }

  /** The folder of the node that contains a path; undefined if none does. */
  placeOf(path: string): { readonly folder: FolderName; readonly path: string } | undefined {
    for (const [name, folder] of Object.entries(this.folders) as [FolderName, string][]) {
      if (path === folder) return { folder: name, path: '' };
      if (path.startsWith(`${folder}/`)) return { folder: name, path: path.slice(folder.length + 1) };
    }
    return undefined;
  }
}

function split(path: string): [FolderName, string] {
  const slash = path.indexOf('/');
  return [path.slice(0, slash) as FolderName, path.slice(slash + 1)];
}

function foldersIn(args: readonly string[]): Folders {
  const found: Partial<Record<FolderName, string>> = {};
  for (const [name, seen] of Object.entries(MOUNTS) as [FolderName, string][]) {
    const at = args.findIndex((arg, index) => arg === seen && /^--(ro-)?bind$/.test(args[index - 2] ?? ''));
    if (at > 0) found[name] = args[at - 1]!;
  }
  return found;
}
