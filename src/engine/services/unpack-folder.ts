// Writes the entries of an untrusted archive into one folder and never outside it.
//
// Why nothing gets out: folders are made by us or checked before use, so the path to an entry contains no link. Files are
// opened exclusively, so nothing is written through a link. The target of a link may go up first and then down, but not up
// again, so its place follows from the target alone, whatever other links exist.

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

/** All methods throw a FailureError for what an archive must not do, and the errors of the file system as they are. */
export class UnpackFolder {
  files = 0;
  bytes = 0;
  #entries = 0;
  readonly #written = new Map<string, Written>([['', { type: 'directory' }]]);
  /** Case-folded path -> path. */
  readonly #names = new Map<string, string>();
  /** Modes are 0644 and 0755 whatever the umask; only an unusual umask costs a call per entry. */
  readonly #mustChmod = (process.umask() & 0o755) !== 0;

  constructor(
    readonly archive: string,
    readonly into: string,
    readonly strip: number,
    readonly limits: UnpackLimits,
  ) {
    mkdirSync(into, { recursive: true });
  }

  /** The path of an entry below `into`; undefined if `strip` leaves nothing of it. */
  pathOf(name: string): string | undefined {
    this.#entries += 1;
    if (this.#entries > this.limits.maxEntries)
      throw new FailureError(archiveTooLarge(this.archive, `It has more than ${this.limits.maxEntries} entries.`));
    const parts = this.#split(name);
    return parts.length <= this.strip ? undefined : parts.slice(this.strip).join('/');
  }

  #split(name: string): readonly string[] {
    if (name.includes('\0')) throw new FailureError(unsafePath(this.archive, name, 'the name contains a NUL.'));
    if (name.includes('\\'))
      throw new FailureError(
        unsupportedEntry(
          this.archive,
          name,
          'the name contains a backslash, which separates folders on other systems.',
        ),
      );
    if (name.startsWith('/')) throw new FailureError(unsafePath(this.archive, name, 'the path is absolute.'));
    if (name.includes('\u{fffd}'))
      throw new FailureError(unsupportedEntry(this.archive, name, 'the name is not UTF-8.'));
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) throw new FailureError(unsafePath(this.archive, name, 'the path contains `..`.'));
    return parts;
  }

  directory(path: string): void {
    const there = this.#written.get(path);
    if (there?.type === 'directory') return;
    if (there !== undefined)
      throw new FailureError(unsafePath(this.archive, path, `an earlier entry made it a ${there.type}.`));
    this.#makeParents(path);
    this.#makeDirectory(path);
  }

  /** Opens a new file of known size; the caller writes and closes it. */
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

  /** A hard link becomes a copy, so that a change of one file does not change the other. */
  link(path: string, targetName: string): void {
    let parts: readonly string[];
    try {
      parts = this.#split(targetName);
    } catch {
      throw new FailureError(unsafeLink(this.archive, path, targetName, 'it points outside the archive.'));
    }
    const target = parts.slice(this.strip).join('/');
    const there = this.#written.get(target);
    if (target === path) return;
    if (there === undefined || there.type === 'directory')
      throw new FailureError(
        corruptArchive(
          this.archive,
          `${path} is a hard link to ${targetName}, but no earlier entry is a file of that name.`,
        ),
      );
    if (there.type === 'symlink')
      throw new FailureError(unsafeLink(this.archive, path, targetName, 'its target is a link too.'));
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

  /** Makes the folders above a path; refuses a path that an earlier entry has. */
  #makeRoom(path: string): void {
    const there = this.#written.get(path);
    if (there?.type === 'directory')
      throw new FailureError(unsafePath(this.archive, path, 'an earlier entry made it a folder.'));
    if (there !== undefined)
      throw new FailureError(unsafePath(this.archive, path, 'an earlier entry has the same name.'));
    this.#makeParents(path);
    this.#claimName(path);
  }

  /** Some file systems ignore case or the form of accents; two such names would be one file there. */
  #claimName(path: string): void {
    // The one legitimate case: names of terminals, which every ncurses has.
    if (/(^|\/)terminfo\//.test(path)) return;
    const folded = path.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC');
    const other = this.#names.get(folded);
    if (other !== undefined && other !== path)
      throw new FailureError(
        unsafePath(this.archive, path, `on some file systems it is the same name as ${JSON.stringify(other)}.`),
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
      throw new FailureError(unsafePath(this.archive, path, `its folder ${parent} is a ${there.type}.`));
    this.#makeParents(parent);
    this.#makeDirectory(parent);
  }

  #makeDirectory(path: string): void {
    try {
      mkdirSync(this.#real(path), { mode: 0o755 });
    } catch (error) {
      // It existed before, or has the same name in another case: fine if it really is a folder.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (!lstatSync(this.#real(path)).isDirectory())
        throw new FailureError(unsafePath(this.archive, path, 'something other than a folder exists there.'));
    }
    if (this.#mustChmod) chmodSync(this.#real(path), 0o755);
    this.#claimName(path);
    this.#written.set(path, { type: 'directory' });
  }

  #real(path: string): string {
    return `${this.into}/${path}`;
  }
}

/** Why the target of a link `depth` folders deep is refused, or undefined. */
function problemOfTarget(target: string, depth: number): string | undefined {
  if (target === '') return 'the target is empty.';
  if (target.includes('\0')) return 'the target contains a NUL.';
  if (target.startsWith('/')) return 'the target is absolute.';
  if (target.includes('\u{fffd}')) return 'the target is not UTF-8.';
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const firstName = parts.findIndex((part) => part !== '..');
  const climbs = firstName === -1 ? parts.length : firstName;
  if (climbs > depth) return 'it points outside the archive.';
  if (parts.includes('..', climbs)) return 'the target contains `..` after a folder name, which may be another link.';
  return undefined;
}

/** Writes all of it; the system may accept less per call. */
export function writeFully(descriptor: number, chunk: Uint8Array): void {
  for (let written = 0; written < chunk.length;) written += writeSync(descriptor, chunk, written);
}
