// Describes a builder in sorted lines: packages of the distribution, and what was installed beside them.

import { lstatSync, readdirSync, readFileSync, readlinkSync, type Dirent } from 'node:fs';
import type { PackageChange } from '../events.js';
import { sha256Hex } from '../files/digest.js';

export interface BuilderDescription {
  readonly text: string;
  /** Paths whose stats change if the builder does, with few exceptions. */
  readonly watched: readonly string[];
}

/** What a distribution's packages don't own. Homebrew's folder is on macOS only. */
const LOCAL = ['/usr/local', '/opt/homebrew'];
const LOCAL_PARTS = ['bin', 'include', 'lib', 'sbin'];
/** What decides which program or library a common name stands for. */
const CHOICES = ['/etc/alternatives', '/etc/ld.so.conf.d'];
/** Without packages, the names and sizes in these folders have to do. */
const UNPACKAGED = ['/usr/bin', '/usr/include', '/usr/lib', '/usr/lib64', '/usr/sbin'];
const RPM = ['/usr/lib/sysimage/rpm', '/var/lib/rpm'];
const RPM_FILES = ['Packages', 'Packages.db', 'rpmdb.sqlite', 'rpmdb.sqlite-wal'];

/** Applications of Node and caches of Python are many files, and no build uses them by accident. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '__pycache__', '.git']);
const MOST_ENTRIES = 20_000;
/** Each costs an lstat in every run that depends on the builder. */
const MOST_WATCHED = 64;

/** `root`: a prefix of all paths, empty for the machine itself. */
export function describeBuilder(root: string): BuilderDescription {
  const description = new Description(root);
  const isPackaged = [description.dpkg(), description.apk(), description.rpm(), description.pacman()].includes(true);
  if (!isPackaged) for (const folder of UNPACKAGED) description.listing(folder, 1);
  for (const folder of CHOICES) description.listing(folder, 1);
  for (const folder of LOCAL) {
    description.watch(folder);
    for (const part of LOCAL_PARTS) description.listing(`${folder}/${part}`, 16);
  }
  return description.finish();
}

class Description {
  readonly #lines: string[] = [];
  readonly #watched: string[] = [];
  /** Files that are watched as far as there is room besides folders. */
  readonly #programs: string[] = [];
  #entries = 0;

  constructor(private readonly root: string) {}

  finish(): BuilderDescription {
    const text = this.#lines
      .sort()
      .map((line) => `${line}\n`)
      .join('');
    const depthOf = (path: string): number => path.split('/').length;
    const folders = this.#watched.sort((a, b) => depthOf(a) - depthOf(b));
    return { text, watched: [...folders, ...this.#programs].slice(0, MOST_WATCHED) };
  }

  /** Ignores a path that does not exist. */
  watch(path: string): boolean {
    const isThere = lstatSync(this.root + path, { throwIfNoEntry: false }) !== undefined;
    if (isThere) this.#watched.push(this.root + path);
    return isThere;
  }

  /** Debian and its descendants. Minimal images have a folder of stanzas instead of the file. */
  dpkg(): boolean {
    const parts = this.#namesIn('/var/lib/dpkg/status.d').map((name) => `/var/lib/dpkg/status.d/${name}`);
    const found = ['/var/lib/dpkg/status', ...parts].filter((path) => this.#stanzas(path, DEBIAN));
    return found.length > 0;
  }

  apk(): boolean {
    return this.#stanzas('/lib/apk/db/installed', ALPINE) || this.#stanzas('/usr/lib/apk/db/installed', ALPINE);
  }

  /** The database is not readable without rpm, so its bytes stand for the packages. */
  rpm(): boolean {
    const files = RPM.flatMap((folder) => RPM_FILES.map((name) => `${folder}/${name}`));
    const found = files.filter((path) => {
      const bytes = this.#read(path);
      if (bytes !== undefined) this.#lines.push(`rpm ${path} ${sha256Hex(bytes)}`);
      return bytes !== undefined;
    });
    return found.length > 0;
  }

  /** Arch Linux has a folder for each package, with its version in the name. */
  pacman(): boolean {
    const names = this.#namesIn('/var/lib/pacman/local').filter((name) => name.includes('-'));
    for (const name of names) {
      const [, title, version] = /^(.+)-([^-]+-[^-]+)$/.exec(name) ?? [];
      if (title !== undefined) this.#lines.push(packageLine(title, version!));
    }
    return names.length > 0;
  }

  #stanzas(path: string, fields: StanzaFields): boolean {
    const text = this.#read(path)?.toString('utf8');
    if (text === undefined) return false;
    for (const stanza of text.split('\n\n')) {
      const field = (name: string): string | undefined =>
        new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(stanza)?.[1]?.trim();
      const [name, version] = [field(fields.name), field(fields.version)];
      const status = fields.status === undefined ? undefined : field(fields.status);
      if (name === undefined || version === undefined || status?.endsWith(' installed') === false) continue;
      this.#lines.push(packageLine(`${name}:${field(fields.architecture) ?? ''}`, version));
    }
    return true;
  }

  /** Undefined if it is no readable file. */
  #read(path: string): Buffer | undefined {
    try {
      const bytes = readFileSync(this.root + path);
      this.watch(path);
      return bytes;
    } catch {
      return undefined;
    }
  }

  /** Empty if there is no readable folder at the path. */
  #namesIn(folder: string): readonly string[] {
    const names = entriesOf(this.root + folder).map(({ name }) => name);
    if (names.length > 0) this.watch(folder);
    return names;
  }

  /** Lists names and sizes. */
  listing(top: string, depth: number): void {
    let folders = [top];
    for (let level = 0; level < depth && folders.length > 0; level++) {
      folders = folders.flatMap((folder) => (this.watch(folder) ? this.#list(folder) : []));
    }
  }

  /** Returns the folders below. */
  #list(folder: string): string[] {
    const below: string[] = [];
    for (const entry of entriesOf(this.root + folder)) {
      if (SKIPPED.has(entry.name)) continue;
      if (this.#entries++ >= MOST_ENTRIES) return below;
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) below.push(path);
      else this.#entry(path, entry);
    }
    return below;
  }

  #entry(path: string, entry: Dirent): void {
    try {
      if (entry.isSymbolicLink()) this.#lines.push(`link ${path} -> ${readlinkSync(this.root + path)}`);
      else this.#lines.push(`file ${path} ${lstatSync(this.root + path).size}`);
      if (/bin\/[^/]+$/.test(path)) this.#programs.push(this.root + path);
    } catch {
      // Removed meanwhile.
    }
  }
}

interface StanzaFields {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** If given, it ends with `installed` for packages that are. */
  readonly status?: string;
}
const DEBIAN: StanzaFields = { name: 'Package', version: 'Version', architecture: 'Architecture', status: 'Status' };
const ALPINE: StanzaFields = { name: 'P', version: 'V', architecture: 'A' };

/** Sorted by name; empty if the folder is missing or unreadable. */
function entriesOf(folder: string): readonly Dirent[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

const packageLine = (name: string, version: string): string => `package ${name} ${version}`;

/** Versions by name, from a description. */
export function packagesIn(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').filter((line) => line.startsWith('package '));
  return new Map(lines.map((line) => line.split(' ').slice(1, 3) as [string, string]));
}

/** Sorted by name. */
export function changedPackages(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly PackageChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((name) => {
    const [from, to] = [before.get(name), after.get(name)];
    return from === to ? [] : [{ name, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }];
  });
}
