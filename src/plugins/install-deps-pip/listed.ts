// The contents of the requirements files of an app, including the files that they include, or of a pylock.toml.

import { fail, succeed, type Failure, type Result, type ViewReader } from '../../engine/sdk.js';
import { undecodableAs } from '../../manifests/app/requirements-encoding.js';
import { isPylockName } from '../../manifests/app/pylock.js';
import { expand } from '../../manifests/app/requirements-lines.js';
import { readRequirements } from '../../manifests/app/requirements.js';
import { literalPattern } from '../shared/app/literal-pattern.js';
import { inRoot } from '../shared/app/root.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { undecodableRequirements, unreadableRequirements } from './failures.js';
import { isPinnedLock, readPylock } from './pylock.js';

type ValueOf = (name: string) => string | undefined;

/** A file and everything that it includes. `root`: the folder in which pip starts. */
export const closureOf = (view: ViewReader, path: string, root: string, valueOf: ValueOf) =>
  readRequirements(path, (asked) => view.read(asked), { cwd: inRoot(root, ''), env: valueOf });

export class Listed {
  /** Patterns of the files. */
  readonly files = new Set<string>();
  /** Folders of the app from which packages are installed. */
  readonly localPaths = new Set<string>();
  /** Name -> specifier. */
  readonly packages: Record<string, string> = {};
  /** Variable -> its first use, for example `requirements.txt, line 2`. */
  readonly variables = new Map<string, string>();
  /** Variables that can change what is installed. Logins can't. */
  readonly swaying = new Set<string>();
  /** Exact versions alone fix neither their dependencies nor which file of a version pip chooses. */
  isPinned = true;
  hasHashes = false;
  /** No repositories, and nothing editable. */
  hasOnlyArchives = true;

  static async read(view: ViewReader, paths: readonly string[], root: string): Promise<Result<Listed>> {
    const listed = new Listed();
    for (const path of paths) {
      const problem = await listed.#add(view, path, root);
      if (problem !== undefined) return fail(problem);
    }
    return succeed(listed);
  }

  async #add(view: ViewReader, path: string, root: string): Promise<Failure | undefined> {
    if (isPylockName(path)) return this.#addLock(view, path);
    const closure = await closureOf(view, path, root, (name) => view.env(name));
    if (!closure.ok) return unreadableRequirements(closure.failure);
    const { files, localPaths, variables, hashChecked, requirements } = closure.value;
    for (const file of files) {
      const encoding = undecodableAs((await view.read(file)) ?? new Uint8Array());
      if (encoding !== undefined) return undecodableRequirements(file, encoding);
      this.files.add(literalPattern(file));
    }
    for (const local of localPaths) this.localPaths.add(local);
    for (const { name, file, line, isLogin } of variables) {
      if (!this.variables.has(name)) this.variables.set(name, `${file}, line ${line}`);
      if (!isLogin) this.swaying.add(name);
    }
    this.isPinned &&= hashChecked;
    for (const { name, specifier, hashed, kind, editable } of requirements) {
      this.hasHashes ||= hashed;
      this.hasOnlyArchives &&= (kind === 'index' || kind === 'url') && !editable;
      if (name !== undefined) this.packages[name] = withoutUserinfo(specifier.replace(/^==\s*/, ''));
    }
    return undefined;
  }

  async #addLock(view: ViewReader, path: string): Promise<Failure | undefined> {
    const read = await readPylock(view, path);
    if (!read.ok) return read.failure;
    const { lock, localPaths } = read.value;
    this.files.add(literalPattern(path));
    for (const local of localPaths) this.localPaths.add(local);
    this.isPinned &&= isPinnedLock(lock);
    this.hasOnlyArchives &&= lock.packages.every(({ source }) => source === 'files' || source === 'archive');
    for (const { name, version = '' } of lock.packages) {
      const known = this.packages[name];
      this.packages[name] = known === undefined || known === version ? version : `${known}, ${version}`;
    }
    return undefined;
  }
}

/** The requirements files among the files of an install; the other one is a lockfile. */
export const requirementsFiles = (paths: readonly string[]): readonly string[] =>
  paths.filter((path) => !isPylockName(path));

/** Addresses in requirements files. */
export interface NamedAddresses {
  /** The indexes, as variables of pip. They take precedence over the environment, as in pip. */
  readonly env: Readonly<Record<string, string>>;
  /** Pages of links (`--find-links`). */
  readonly links: readonly string[];
  /** Requirements that are URLs. */
  readonly files: readonly { readonly url: string; readonly hashes: Readonly<Record<string, string>> }[];
}

export async function addressesOfFiles(
  view: ViewReader,
  paths: readonly string[],
  root: string,
  valueOf: ValueOf,
): Promise<NamedAddresses> {
  const env: Record<string, string> = {};
  const links: string[] = [];
  const files: NamedAddresses['files'][number][] = [];
  for (const path of requirementsFiles(paths)) {
    const closure = await closureOf(view, path, root, valueOf);
    if (!closure.ok) continue;
    const { options, requirements, constraints } = closure.value;
    const valuesOf = (option: string): readonly string[] =>
      options.flatMap(({ name, value }) => (name === option && value !== undefined ? [expand(value, valueOf)] : []));
    const main = valuesOf('index-url').at(-1);
    const extra = valuesOf('extra-index-url');
    if (main !== undefined) env['PIP_INDEX_URL'] = main;
    if (extra.length > 0) env['PIP_EXTRA_INDEX_URL'] = extra.join(' ');
    links.push(...valuesOf('find-links'));
    for (const { kind, specifier } of [...requirements, ...constraints])
      if (kind === 'url') files.push(fileAt(specifier));
  }
  return { env, links, files };
}

/** `https://host/name.whl#sha256=...`, possibly after `name @ `. */
function fileAt(specifier: string): NamedAddresses['files'][number] {
  const url = /https?:\/\/\S+/i.exec(specifier)?.[0] ?? specifier;
  const [, algorithm, digest] = /#(?:.*&)?(sha(?:256|384|512))=([0-9a-f]{64,128})\b/i.exec(url) ?? [];
  const hashes = algorithm === undefined ? {} : { [algorithm.toLowerCase()]: (digest ?? '').toLowerCase() };
  return { url: url.replace(/#.*$/s, ''), hashes };
}

/** Variables in the files that are only user or password of a URL. */
export async function loginVariables(
  view: ViewReader,
  paths: readonly string[],
  root: string,
): Promise<ReadonlySet<string>> {
  const logins = new Set<string>();
  const others = new Set<string>();
  for (const path of requirementsFiles(paths)) {
    const closure = await closureOf(view, path, root, (name) => view.env(name));
    if (!closure.ok) continue;
    for (const { name, isLogin } of closure.value.variables) (isLogin ? logins : others).add(name);
  }
  return new Set([...logins].filter((name) => !others.has(name)));
}
