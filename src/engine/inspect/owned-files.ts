// Which package each file of a slug belongs to, by the RECORDs of the packages, and whether the files are as those say.

import { posix } from 'node:path';
import { sha256Hex } from '../files/digest.js';
import { recordedPath, type Distribution, type PythonPlace } from './distributions.js';
import type { SlugFile } from './slug-files.js';

/** A file whose bytes differ from what the RECORD of its package says. */
export interface Mismatch {
  readonly path: string;
  readonly problem: 'missing' | 'size' | 'digest' | 'outside';
}

export interface Owned {
  /** Sorted by path. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly content: string;
  readonly mismatches: readonly Mismatch[];
}

export interface Ownership {
  /** By index of the package. */
  readonly packages: readonly Owned[];
  /** Paths of the interpreter, its libraries and what is beside them. */
  readonly python: readonly string[];
  /** In site-packages, without a package. */
  readonly unowned: readonly string[];
  readonly app: readonly string[];
}

/** SHA-256 of what `sha256sum` prints for the files. */
export function contentOf(paths: readonly string[], files: Files): string {
  return sha256Hex(
    [...paths]
      .sort()
      .map((path) => `${files.get(path)?.sha256 ?? ''}  ${path}\n`)
      .join(''),
  );
}

type Files = ReadonlyMap<string, SlugFile>;

/** A file that several packages name belongs to the first. */
export function ownFiles(found: readonly Distribution[], files: Files, place: PythonPlace): Ownership {
  const ownerOf = new Map<string, number>();
  const mismatches = found.map((one, index) => claim(one, index, files, ownerOf));
  for (const path of files.keys()) {
    if (ownerOf.has(path)) continue;
    const owner = ownerByPlace(path, ownerOf);
    if (owner !== undefined) ownerOf.set(path, owner);
  }
  const paths: string[][] = found.map(() => []);
  const [python, unowned, app]: [string[], string[], string[]] = [[], [], []];
  for (const path of files.keys()) {
    const owner = ownerOf.get(path);
    if (owner !== undefined) paths[owner]?.push(path);
    else if (path.startsWith(`${place.sitePackages}/`)) unowned.push(path);
    else if (path.startsWith(`${place.home}/`)) python.push(path);
    else app.push(path);
  }
  const packages = paths.map((own, index) => ownedBy(own, files, mismatches[index] ?? []));
  return { packages, python, unowned, app };
}

function ownedBy(paths: readonly string[], files: Files, mismatches: readonly Mismatch[]): Owned {
  const sorted = [...paths].sort();
  return {
    files: sorted.map((path) => ({ path, bytes: files.get(path)?.bytes ?? 0 })),
    content: contentOf(sorted, files),
    mismatches,
  };
}

/** Returns how the files differ from the RECORD. */
function claim(one: Distribution, index: number, files: Files, ownerOf: Map<string, number>): readonly Mismatch[] {
  if (one.record === undefined) {
    claimByModules(one, index, files, ownerOf);
    return [];
  }
  const wrong: Mismatch[] = [];
  for (const { path: written, algorithm, digest, size } of one.record) {
    const path = recordedPath(one.folder, written);
    if (path === undefined) {
      wrong.push({ path: written, problem: 'outside' });
      continue;
    }
    const file = files.get(path);
    if (file === undefined) {
      // Bytecode comes and goes, and a slug leaves out what `.slugignore` names.
      if (!path.endsWith('.pyc')) wrong.push({ path, problem: 'missing' });
      continue;
    }
    if (!ownerOf.has(path)) ownerOf.set(path, index);
    if (size !== undefined && size !== file.bytes) wrong.push({ path, problem: 'size' });
    else if (algorithm === 'sha256' && digest !== base64(file.sha256)) wrong.push({ path, problem: 'digest' });
  }
  return wrong;
}

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');

/** An egg in site-packages has no RECORD: its metadata and the modules that it names are its files. */
function claimByModules(
  { folder, path, modules }: Distribution,
  index: number,
  files: Files,
  ownerOf: Map<string, number>,
) {
  const isInApp = folder === '' || !/(?:^|\/)lib\/python[^/]*(?:\/|$)/.test(folder);
  const own = [path, ...(isInApp ? [] : modules.map((module) => `${folder}/${module}`))];
  for (const file of files.keys()) {
    if (ownerOf.has(file)) continue;
    if (own.some((start) => file === start || file.startsWith(`${start}/`) || file === `${start}.py`)) {
      ownerOf.set(file, index);
    }
  }
}

/** Bytecode belongs to whom its source belongs; other files of a metadata folder to whose metadata it is. */
function ownerByPlace(path: string, ownerOf: ReadonlyMap<string, number>): number | undefined {
  const compiled = /^(.*?)(?:\/|^)__pycache__\/([^/]+?)\.cpython-\d+(?:\.opt-\d)?\.pyc$/.exec(path);
  if (compiled !== null) return ownerOf.get(posix.join(compiled[1] ?? '', `${compiled[2]}.py`));
  const info = /^(.*\.dist-info)\//.exec(path)?.[1];
  return info === undefined ? undefined : (ownerOf.get(`${info}/METADATA`) ?? ownerOf.get(`${info}/RECORD`));
}
