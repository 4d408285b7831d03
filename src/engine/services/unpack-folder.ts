// Writes entries of a hostile archive into one folder and never past it. Unaware of archive formats.
//
// Why nothing leads out: folders are made by us or looked at before use, so the way to an entry holds no link; files are
// opened exclusively, so no link is written through; a link may climb first and descend then, never climb again, so its
// target is known from where it stands, whatever other links there are.

import { chmodSync, copyFileSync, constants, lstatSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { FailureError } from '../failure.js';
import { archiveTooLarge, corruptArchive, unsafeLink, unsafePath, unsupportedEntry } from './failures.js';

interface UnpackLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

type Written =
  | { readonly type: 'directory' }
  | { readonly type: 'file'; readonly size: number; readonly executable: boolean }
  | { readonly type: 'symlink'; readonly target: string };

/** All methods throw a FailureError for what an archive may not do, and the errors of the file system. */
export class UnpackFolder {
  files = 0;
  bytes = 0;
  #entries = 0;
  readonly #written = new Map<string, Written>([['', { type: 'directory' }]]);
  /** Folded names -> names as they are. */
  readonly #names = new Map<string, string>();
  /** Modes are 0644 and 0755 whatever the umask: only an unusual one costs a call per entry. */
  readonly #mustChmod = (process.umask() & 0o755) !== 0;

  constructor(
    readonly archive: string,
    readonly into: string,
    readonly strip: number,
    readonly limits: UnpackLimits,
  ) {
    mkdirSync(into, { recursive: true });
  }

  /** The path that an entry has below `into`; undefined when `strip` leaves nothing of it. */
  pathOf(name: string): string | undefined {
    this.#entries += 1;
    if (this.#entries > this.limits.maxEntries)
      throw new FailureError(archiveTooLarge(this.archive, `It has more than ${this.limits.maxEntries} entries.`));
    const parts = this.#split(name);
    return parts.length <= this.strip ? undefined : parts.slice(this.strip).join('/');
  }

  #split(name: string): readonly string[] {
    if (name.includes('\0')) throw new FailureError(unsafePath(this.archive, name, 'the name holds a NUL.'));
    if (name.includes('\\'))
      throw new FailureError(
        unsupportedEntry(this.archive, name, 'the name holds a backslash, which parts names elsewhere.'),
      );
    if (name.startsWith('/')) throw new FailureError(unsafePath(this.archive, name, 'the path is absolute.'));
    if (name.includes('\u{fffd}'))
      throw new FailureError(unsupportedEntry(this.archive, name, 'the name is not UTF-8.'));
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw new FailureError(unsafePath(this.archive, name, 'the path leads upwards.'));
    return parts;
  }

  directory(path: string): void {
    const there = this.#written.get(path);
    if (there?.type === 'directory') return;
    if (there !== undefined) throw new FailureError(unsafePath(this.archive, path, `it is a ${there.type} already.`));
    this.#makeParents(path);
    this.#makeDirectory(path);
  }

  /** Opens a new file of a size told beforehand; the caller writes and closes it. */
  openFile(path: string, size: number, executable: boolean): number {
    this.#account(path, size);
    this.#makeRoom(path);
    const mode = executable ? 0o755 : 0o644;
    const descriptor = openSync(this.#real(path), 'wx', mode);
    if (this.#mustChmod) chmodSync(this.#real(path), mode);
    this.#written.set(path, { type: 'file', size, executable });
    this.files += 1;
    return descriptor;
  }

  symlink(path: string, target: string): void {
    this.#makeRoom(path);
    const depth = path.split('/').length - 1;
    const problem = problemOfTarget(target, depth);
    if (problem !== undefined) throw new FailureError(unsafeLink(this.archive, path, target, problem));
    symlinkSync(target, this.#real(path));
    this.#written.set(path, { type: 'symlink', target });
    this.files += 1;
  }

  /** A hard link becomes a copy: two names of one file would be surprised by each other's changes. */
  link(path: string, targetName: string): void {
    let parts: readonly string[];
    try {
      parts = this.#split(targetName);
    } catch {
      throw new FailureError(unsafeLink(this.archive, path, targetName, 'it leads out of the archive.'));
    }
    const target = parts.slice(this.strip).join('/');
    const there = this.#written.get(target);
    if (target === path) return;
    if (there === undefined || there.type === 'directory')
      throw new FailureError(
        corruptArchive(this.archive, `${path} links to ${targetName}, which is no file before it.`),
      );
    if (there.type === 'symlink')
      throw new FailureError(unsafeLink(this.archive, path, targetName, 'that is a link itself.'));
    this.#account(path, there.size);
    this.#makeRoom(path);
    copyFileSync(this.#real(target), this.#real(path), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    this.#written.set(path, there);
    this.files += 1;
  }

  #account(path: string, size: number): void {
    this.bytes += size;
    if (this.bytes > this.limits.maxBytes)
      throw new FailureError(archiveTooLarge(this.archive, `With ${path} it exceeds ${this.limits.maxBytes} bytes.`));
  }

  /** Makes the way to a path that no earlier entry has. */
  #makeRoom(path: string): void {
    const there = this.#written.get(path);
    if (there?.type === 'directory') throw new FailureError(unsafePath(this.archive, path, 'it is a folder already.'));
    if (there !== undefined)
      throw new FailureError(unsafePath(this.archive, path, 'an earlier entry has the same name.'));
    this.#makeParents(path);
    this.#claimName(path);
  }

  /** Where case or the form of accents does not count, two names would be one file. */
  #claimName(path: string): void {
    // The one honest case: names of terminals, as every ncurses has them.
    if (/(^|\/)terminfo\//.test(path)) return;
    const folded = path.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC');
    const other = this.#names.get(folded);
    if (other !== undefined && other !== path)
      throw new FailureError(
        unsafePath(this.archive, path, `elsewhere it has the same name as ${JSON.stringify(other)}.`),
      );
    this.#names.set(folded, path);
  }

  #makeParents(path: string): void {
    const end = path.lastIndexOf('/');
    if (end === -1) return;
    const parent = path.slice(0, end);
    const there = this.#written.get(parent);
    if (there?.type === 'directory') return;
    if (there !== undefined)
      throw new FailureError(
        unsafePath(this.archive, path, `the way to it leads through the ${there.type} ${parent}.`),
      );
    this.#makeParents(parent);
    this.#makeDirectory(parent);
  }

  #makeDirectory(path: string): void {
    try {
      mkdirSync(this.#real(path), { mode: 0o755 });
    } catch (error) {
      // There before us, or the same name in another case: fine as long as it is really a folder.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (!lstatSync(this.#real(path)).isDirectory())
        throw new FailureError(unsafePath(this.archive, path, 'something else is in its place.'));
    }
    if (this.#mustChmod) chmodSync(this.#real(path), 0o755);
    this.#claimName(path);
    this.#written.set(path, { type: 'directory' });
  }

  #real(path: string): string {
    return `${this.into}/${path}`;
  }
}

/** Why the target of a link that stands `depth` folders deep is refused, or undefined. */
function problemOfTarget(target: string, depth: number): string | undefined {
  if (target === '') return 'it leads nowhere.';
  if (target.includes('\0')) return 'the target holds a NUL.';
  if (target.startsWith('/')) return 'the target is absolute.';
  if (target.includes('\u{fffd}')) return 'the target is not UTF-8.';
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const firstName = parts.findIndex((part) => part !== '..');
  const climbs = firstName === -1 ? parts.length : firstName;
  if (climbs > depth) return 'it leads out of the archive.';
  if (parts.includes('..', climbs)) return 'it climbs again after it descended, perhaps through another link.';
  return undefined;
}

/** Writes all of it: the system may take less at once. */
export function writeFully(descriptor: number, chunk: Uint8Array): void {
  for (let written = 0; written < chunk.length;) written += writeSync(descriptor, chunk, written);
}
