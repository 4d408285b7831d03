// The environment in which uv runs: with the settings of the app but not of the machine, for the slug's Python, with the index of
// the operator.

import type { Files, Folder, PackageAccess, RunContext, Services } from '../../../engine/sdk.js';
import type { UvLock } from '../../../manifests/app/uv-lock.js';
import { inRoot } from '../app/root.js';
import { cleanCache } from '../install/clean-cache.js';
import { withoutUserinfo } from '../install/index-url.js';
import { planPackages } from '../install/package-plan.js';
import { compilerEnvironment, isolatedEnvironment } from '../pip/command.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/** Below the node's cache folder. */
export const UV_CACHE = 'uv';

/** `home`: the slug's Python, app-relative. `index`: replaces the default index. */
export function uvEnvironment(
  context: RunContext,
  files: Files,
  options: {
    readonly home: string;
    readonly hasSettings: boolean;
    readonly index?: string | undefined;
    readonly access: PackageAccess;
    /** Variables with logins for the indexes of the app. */
    readonly logins: Readonly<Record<string, string>>;
  },
): Readonly<Record<string, string>> {
  const python = `${context.paths.app}/${options.home}`;
  return {
    ...compilerEnvironment(context, python),
    ...isolatedEnvironment(context, files),
    ...options.logins,
    NO_COLOR: '1',
    UV_CACHE_DIR: `${context.paths.cache}/${UV_CACHE}`,
    UV_COMPILE_BYTECODE: '0',
    // With hard links, the slug would share files with the cache, to which later builds write.
    UV_LINK_MODE: 'copy',
    UV_NO_MANAGED_PYTHON: '1',
    UV_NO_PROGRESS: '1',
    // Otherwise uv wraps errors at 80 columns, regardless of the terminal.
    UV_NO_WRAP: '1',
    UV_NO_SYSTEM_CONFIG: '1',
    UV_PROJECT_ENVIRONMENT: python,
    // A path, so that uv ignores the .python-version of a folder above the app.
    UV_PYTHON: `${python}/bin/python3`,
    UV_PYTHON_DOWNLOADS: 'never',
    // Without this, an app without settings would get those of a folder above it.
    ...(!options.hasSettings && { UV_NO_CONFIG: '1' }),
    // A variable instead of an option, because a URL may contain a password and every process can see arguments.
    ...(options.index !== undefined && { UV_DEFAULT_INDEX: options.access.indexUrl(options.index) }),
    ...options.access.env,
  };
}

/** Logins for the indexes of the app, from its variables. They only grant access, so they are not in the key. */
export async function indexLogins(
  { packages }: Pick<Services, 'packages'>,
  context: RunContext,
): Promise<Readonly<Record<string, string>>> {
  const { view } = context;
  const names = view.envNames().filter((name) => /^UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)$/.test(name));
  const pairs = names.map(async (name) => [name, await packages.hide(context, view.env(name) ?? '')] as const);
  return Object.fromEntries(await Promise.all(pairs));
}

/** `index`: of the operator, possibly with a login. */
export async function openUvGate(
  { packages }: Pick<Services, 'packages'>,
  context: RunContext,
  { folder, lockFile }: { readonly folder: string; readonly lockFile: string },
  index: string | undefined,
): Promise<PackageAccess> {
  const from = [lockFile, ...['uv.toml', 'pyproject.toml'].map((file) => inRoot(folder, file))];
  return packages.open(context, await planPackages(context.view, { indexes: [index], from }));
}

/** The default index of uv, as in lockfiles. */
const DEFAULT_INDEX = 'https://pypi.org/simple';

interface IndexPlan {
  /**
   * `locked`: uv installs from the URLs in the lockfile. `mirror`: another index replaces the default index of the lockfile. uv
   * would report such a lockfile as out of date, so its packages are exported with their digests and installed from the mirror.
   */
  readonly way: 'locked' | 'mirror';
  readonly index?: string;
  /** Further indexes of the lockfile, for `mirror`. */
  readonly others: readonly string[];
}

/** `index`: of the operator, possibly with a login. An app that sets other indexes keeps them. */
export function planIndex(lock: UvLock, index: string | undefined): IndexPlan {
  const registries = lock.packages.flatMap(({ source }) => (source.type === 'registry' ? [source.at] : []));
  const remote = [...new Set(registries.filter((at) => /^https?:/.test(at)))].sort();
  if (index === undefined || same(index, DEFAULT_INDEX)) return { way: 'locked', others: [] };
  const locked = remote.find((at) => same(at, index));
  // In the spelling of the lockfile, because uv compares URLs as text.
  if (locked !== undefined) return { way: 'locked', index: respelled(index, locked), others: [] };
  if (remote.length === 0) return { way: 'locked', index, others: [] };
  if (!remote.some((at) => same(at, DEFAULT_INDEX))) return { way: 'locked', others: [] };
  return { way: 'mirror', index, others: remote.filter((at) => !same(at, DEFAULT_INDEX)) };
}

/** The part of it for the facts. */
export const indexFact = ({ index }: IndexPlan): { readonly index?: string } =>
  index === undefined ? {} : { index: withoutUserinfo(index) };

const bare = (url: string): string => withoutUserinfo(url).replace(/\/+$/, '');
const same = (a: string, b: string): boolean => bare(a) === bare(b);

function respelled(index: string, locked: string): string {
  const login = /^[a-z]+:\/\/([^/?#]*@)/.exec(index)?.[1] ?? '';
  return withoutUserinfo(locked).replace('//', `//${login}`);
}

/**
 * Removes entries of uv's cache that may depend on this run: data about the interpreter, wheels built from packages in the app,
 * and, if the build folders are private, everything that was built in them.
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
