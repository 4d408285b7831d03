// The packages that `Pipfile.lock` settles and the indexes they come from. Unaware of Python versions and of who installs.

import { normalizeName } from './requirements.js';

export interface LockedPackage {
  /** Normalized. */
  readonly name: string;
  /** The version; where none is settled, the revision, the URL or the path. */
  readonly version: string;
  /** Installed only when its file has one of the digests in the lock. */
  readonly isHashed: boolean;
  /** As written: a folder or file relative to the lock, that it is installed from. */
  readonly localPath?: string;
}

export interface PipfileLockContent {
  /** Sorted by name; of both sections when a package is in both. */
  readonly packages: readonly LockedPackage[];
  /** As written; may hold names of variables. */
  readonly sources: readonly string[];
}

/** Of `default`, and of `develop` when asked; undefined for what is no lock. */
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

function lockedPackage(name: string, entry: Fields): LockedPackage {
  const { version, ref, file, path, hashes } = entry;
  const found = [version, ref, file, path].find((value) => typeof value === 'string');
  const isRemote = typeof file === 'string' && /^[a-z][a-z0-9+.-]*:\/\/(?!\/)/i.test(file);
  const local = typeof path === 'string' ? path : typeof file === 'string' && !isRemote ? file : undefined;
  return {
    name: normalizeName(name),
    version: typeof found === 'string' ? found.replace(/^==/, '') : '',
    isHashed: Array.isArray(hashes) && hashes.length > 0,
    ...(local !== undefined && { localPath: local.replace(/^file:\/\//, '') }),
  };
}

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
