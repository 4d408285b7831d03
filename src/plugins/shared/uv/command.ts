// How uv is run: with the settings of the app and none of the machine, into the slug's Python, from the index that the
// operator names. Unaware of which packages are wanted.

import type { Files, Folder, RunContext, ViewReader } from '../../../engine/sdk.js';
import type { UvLock } from '../../../manifests/app/uv-lock.js';
import { cleanCache } from '../install/clean-cache.js';
import { withoutUserinfo } from '../install/index-url.js';
import { compilerEnvironment, isolatedEnvironment } from '../pip/command.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/** In the node's cache folder. */
export const UV_CACHE = 'uv';

/** `home`: the slug's Python, app-relative. `index`: takes the place of the default index. */
export function uvEnvironment(
  context: RunContext,
  files: Files,
  options: { readonly home: string; readonly hasSettings: boolean; readonly index?: string | undefined },
): Readonly<Record<string, string>> {
  const python = `${context.paths.app}/${options.home}`;
  return {
    ...compilerEnvironment(context, python),
    ...isolatedEnvironment(context, files),
    ...indexLogins(context.view),
    NO_COLOR: '1',
    UV_CACHE_DIR: `${context.paths.cache}/${UV_CACHE}`,
    UV_COMPILE_BYTECODE: '0',
    // A hard link would make a file of the slug one of the cache, which later builds write.
    UV_LINK_MODE: 'copy',
    UV_NO_MANAGED_PYTHON: '1',
    UV_NO_PROGRESS: '1',
    // It breaks the lines of errors at 80 columns, whatever the terminal is.
    UV_NO_WRAP: '1',
    UV_NO_SYSTEM_CONFIG: '1',
    UV_PROJECT_ENVIRONMENT: python,
    // By path, so that no .python-version of a folder above the app has a say.
    UV_PYTHON: `${python}/bin/python3`,
    UV_PYTHON_DOWNLOADS: 'never',
    // Without settings of its own, an app would get those of a folder above it.
    ...(!options.hasSettings && { UV_NO_CONFIG: '1' }),
    // By variable and not by flag: a URL may hold a password, and arguments are seen by every process.
    ...(options.index !== undefined && { UV_DEFAULT_INDEX: options.index }),
  };
}

/** Logins for the indexes that the app names, from its own variables. They only open doors, so they are in no key. */
function indexLogins(view: ViewReader): Readonly<Record<string, string>> {
  const names = view.envNames().filter((name) => /^UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)$/.test(name));
  return Object.fromEntries(names.map((name) => [name, view.env(name) ?? '']));
}

/** What uv takes for the default index, and writes into lockfiles. */
const DEFAULT_INDEX = 'https://pypi.org/simple';

interface IndexPlan {
  /**
   * `locked`: uv installs by the lockfile, from the places that it names. `mirror`: the lockfile names the default index,
   * another one stands in for it; uv would call such a lockfile out of date, so its packages are exported with their
   * digests and installed from there.
   */
  readonly way: 'locked' | 'mirror';
  readonly index?: string;
  /** Further indexes that the lockfile names; for `mirror`. */
  readonly others: readonly string[];
}

/** `index`: of the operator, maybe with a login. An app that names indexes of its own keeps them. */
export function planIndex(lock: UvLock, index: string | undefined): IndexPlan {
  const registries = lock.packages.flatMap(({ source }) => (source.type === 'registry' ? [source.at] : []));
  const remote = [...new Set(registries.filter((at) => /^https?:/.test(at)))].sort();
  if (index === undefined || same(index, DEFAULT_INDEX)) return { way: 'locked', others: [] };
  const locked = remote.find((at) => same(at, index));
  // Spelled as in the lockfile, or uv takes it for another one.
  if (locked !== undefined) return { way: 'locked', index: respelled(index, locked), others: [] };
  if (remote.length === 0) return { way: 'locked', index, others: [] };
  if (!remote.some((at) => same(at, DEFAULT_INDEX))) return { way: 'locked', others: [] };
  return { way: 'mirror', index, others: remote.filter((at) => !same(at, DEFAULT_INDEX)) };
}

/** What a key holds of it. */
export const indexFact = ({ index }: IndexPlan): { readonly index?: string } =>
  index === undefined ? {} : { index: withoutUserinfo(index) };

const bare = (url: string): string => withoutUserinfo(url).replace(/\/+$/, '');
const same = (a: string, b: string): boolean => bare(a) === bare(b);

function respelled(index: string, locked: string): string {
  const login = /^[a-z]+:\/\/([^/?#]*@)/.exec(index)?.[1] ?? '';
  return withoutUserinfo(locked).replace('//', `//${login}`);
}

/**
 * Drops from uv's cache what may speak of this run: facts about the interpreter, wheels built of the app's own packages, and,
 * where folders are private, all that was built in them.
 */
export function forgetLocalBuilds(context: RunContext, cache: Folder): void {
  cleanCache(cache, UV_CACHE, () => {
    for (const name of cache.names(UV_CACHE)) {
      const path = `${UV_CACHE}/${name}`;
      if (name.startsWith('interpreter-')) cache.remove(path);
      if (!name.startsWith('sdists-')) continue;
      if (context.paths.app !== PUBLIC_APP_DIR) cache.remove(path);
      else for (const part of ['editable', 'path']) cache.remove(`${path}/${part}`);
    }
  });
}
