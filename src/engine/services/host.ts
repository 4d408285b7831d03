// Facts about the machine and settings of the operator, read on first use.

import { readFileSync } from 'node:fs';
import { homedir, release as kernelRelease } from 'node:os';
import { join } from 'node:path';
import type { Host } from '../sdk.js';

/** Where the facts are read from; tests use another source. */
interface HostSource {
  readonly platform: string;
  readonly arch: string;
  /** Contains /etc, /usr and /proc. */
  readonly root: string;
}

const THIS_HOST: HostSource = { platform: process.platform, arch: process.arch, root: '/' };

/** `env` is the operator's environment. */
export function readHost(env: Readonly<Record<string, string | undefined>>, source: HostSource = THIS_HOST): Host {
  return new LazyHost(env, source);
}

class LazyHost implements Host {
  #libc: Host['libc'] | undefined;
  #release: Host['release'] | undefined;

  constructor(
    readonly env: Readonly<Record<string, string | undefined>>,
    readonly source: HostSource,
  ) {}

  get os(): string {
    return this.source.platform;
  }
  get arch(): string {
    return this.source.arch;
  }
  get libc(): Host['libc'] {
    this.#libc ??= readLibc(this.source);
    return this.#libc;
  }
  get release(): Host['release'] {
    this.#release ??= readRelease(this.source);
    return this.#release;
  }
  get searchPath(): readonly string[] {
    // A relative entry means a different folder for each working folder, so such entries are dropped.
    return (this.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  }
  get homeDir(): string {
    return this.env['HOME'] || homedir();
  }
  setting(name: string): string | undefined {
    return this.env[`PYFLOW_${name}`];
  }
}

function readText(source: HostSource, path: string): string | undefined {
  try {
    return readFileSync(join(source.root, path), 'utf8');
  } catch {
    return undefined;
  }
}

function readRelease(source: HostSource): Host['release'] {
  if (source.platform !== 'linux') return { id: source.platform, version: kernelRelease() };
  const text = readText(source, '/etc/os-release') ?? readText(source, '/usr/lib/os-release') ?? '';
  const field = (name: string): string | undefined => {
    const value = new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1]?.trim();
    return value?.replace(/^(["'])(.*)\1$/, '$2');
  };
  // Rolling distributions have no VERSION_ID; without ID the format's default is `linux`.
  return { id: field('ID') ?? 'linux', version: field('VERSION_ID') ?? '' };
}

/** Reads the C library that is mapped into this process: no subprocess, and a tenth of the time of a diagnostic report. */
function readLibc(source: HostSource): Host['libc'] {
  if (source.platform !== 'linux') return { name: source.platform, version: kernelRelease() };
  const maps = readText(source, '/proc/self/maps') ?? '';
  const musl = /(\/\S*\/(?:ld-musl-[^/\s]*|libc\.musl-[^/\s]*))$/m.exec(maps)?.[1];
  if (musl !== undefined) return { name: 'musl', version: muslVersionIn(readBytes(source, musl)) };
  const glibc = /(\/\S*\/libc(?:\.so\.6|-2\.\d+\.so))$/m.exec(maps)?.[1];
  if (glibc !== undefined) return { name: 'glibc', version: glibcVersionIn(readBytes(source, glibc)) };
  // A statically linked Node says nothing about the machine.
  return { name: 'unknown', version: '' };
}

function readBytes(source: HostSource, path: string): Buffer {
  try {
    return readFileSync(join(source.root, path));
  } catch {
    return Buffer.alloc(0);
  }
}

/** The library contains the text that it prints when run as a program. */
function glibcVersionIn(library: Buffer): string {
  const banner = library.indexOf('GNU C Library ');
  if (banner === -1) return '';
  const text = library.toString('latin1', banner, banner + 300);
  return /release version (\d+\.\d+)/.exec(text)?.[1] ?? '';
}

/** The version is a separate string in the library. */
function muslVersionIn(library: Buffer): string {
  return /\0(1\.\d{1,2}\.\d{1,3})(?:-git[^\0]*)?\0/.exec(library.toString('latin1'))?.[1] ?? '';
}
