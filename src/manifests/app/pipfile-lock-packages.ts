// Reads the packages in `Pipfile.lock` and the indexes they come from.

import { fieldsOf, isFields, type Fields } from './fields.js';
import { normalizeName } from './requirements.js';

export interface LockedPackage {
  /** Normalized. */
  readonly name: string;
  /** The version; without one, the revision, the URL or the path. */
  readonly version: string;
  /** The lock has digests, so the installer checks the file. */
  readonly isHashed: boolean;
  /** The folder or file it is installed from, as written, relative to the lock. */
  readonly localPath?: string;
}

export interface PipfileLockContent {
  /** Sorted by name. A package in both sections is listed twice. */
  readonly packages: readonly LockedPackage[];
  /** As written; may contain names of variables. */
  readonly sources: readonly string[];
}

/** Packages of `default`, and of `develop` on request. Undefined when the file is not a lock. */
export function readPipfileLock(
  bytes: Uint8Array,
  options: { readonly develop: boolean },
): PipfileLockContent | undefined {
  let lock: unknown;
  try {
    lock = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isFields(lock) || !isFields(lock['_meta'])) return undefined;
  const packages = ['default', ...(options.develop ? ['develop'] : [])].flatMap((section) =>
    Object.entries(fieldsOf((lock as Fields)[section])).map(([name, entry]) => lockedPackage(name, fieldsOf(entry))),
  );
  const listed = lock['_meta']['sources'];
  const sources = (Array.isArray(listed) ? listed : []).flatMap((source: unknown) => {
    const { url } = fieldsOf(source);
    return typeof url === 'string' ? [url] : [];
  });
  return { packages: packages.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)), sources };
}

/** An installer can't check a repository against a digest. */
const REPOSITORIES = ['git', 'hg', 'svn', 'bzr'];

function lockedPackage(name: string, entry: Fields): LockedPackage {
  const { version, ref, file, path, hashes } = entry;
  const found = [version, ref, file, path].find((value) => typeof value === 'string');
  const isRemote = typeof file === 'string' && /^[a-z][a-z0-9+.-]*:\/\/(?!\/)/i.test(file);
  const local = typeof path === 'string' ? path : typeof file === 'string' && !isRemote ? file : undefined;
  return {
    name: normalizeName(name),
    version: typeof found === 'string' ? found.replace(/^==/, '') : '',
    isHashed: Array.isArray(hashes) && hashes.length > 0 && !REPOSITORIES.some((name) => name in entry),
    ...(local !== undefined && { localPath: local.replace(/^file:\/\//, '') }),
  };
}
