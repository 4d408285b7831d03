// Normalizes the files that an installer added to the Python of the slug, so that they are the same on every machine: launchers
// and links without private paths, matching RECORDs, no build paths.

import { posix } from 'node:path';
import { pathBeneath, type Folder, type RunContext } from '../../../engine/sdk.js';
import { changedFiles, takeSnapshot, type Snapshot } from '../app/changes.js';
import { PUBLIC_APP_DIR, type SlugPython } from '../python/home.js';
import { movableFinder } from '../relocate/editable-finder.js';
import { isElf, withoutDebug, withOwnBuildId } from '../relocate/elf.js';
import { privateAppPaths } from '../relocate/private-needles.js';
import { relocatableLauncher } from '../relocate/python-launcher.js';
import { editRecord, recordColumns, recordPaths, renameInRecord } from './record.js';

interface PackageLayer {
  /** Relative to the Python's folder, sorted. */
  readonly files: readonly string[];
}

/** Limit for rewritten scripts, lists and metadata. An installer writes no larger ones. */
const MOST_TEXT = 32 * 1024 * 1024;
/** Limit for extension modules to strip. */
const MOST_ELF = 512 * 1024 * 1024;

/** Normalizes the files that were written below the Python's folder since `before`. */
export async function normalizePackages(
  context: RunContext,
  app: Folder,
  { home, minor }: Pick<SlugPython, 'home' | 'minor'>,
  before: Snapshot,
): Promise<PackageLayer> {
  dropCheckoutHistory(app, `${home}/src`);
  const files = changedFiles(before, await takeSnapshot(app, home, context.signal));
  const site = `lib/python${minor}/site-packages`;
  const rewritten = new Set<string>();
  for (const path of files) {
    const rewrite = rewriterOf(context, home, site, path);
    if (rewrite === undefined || !app.isFile(`${home}/${path}`)) continue;
    // Don't read large programs into memory.
    if (path.startsWith('bin/') && isElf(app.readStart(`${home}/${path}`, 4) ?? Buffer.alloc(0))) continue;
    const isChanged = rewriteText(app, `${home}/${path}`, rewrite);
    // Whether small files in site-packages contain a private path depends on the sandbox, but their RECORD must not.
    if (isChanged || path.startsWith(`${site}/`)) rewritten.add(path);
  }
  for (const path of await stripLocalBuilds(app, home, site, files)) rewritten.add(path);
  const seen = [PUBLIC_APP_DIR, ...privateAppPaths(context)].map((folder) => inLatin1(`${folder}/${home}`));
  correctRecords(app, { home, site, seen }, files, rewritten);
  return { files };
}

/** Latin-1 keeps every byte in any encoding. Search texts are converted to the same form. */
type Rewrite = (latin1: string) => string;

function rewriterOf(context: RunContext, home: string, site: string, path: string): Rewrite | undefined {
  if (/^bin\/[^/]+$/.test(path)) {
    return (text) => relocatableLauncher(text, `${context.paths.app}/${home}/bin`);
  }
  if (!path.startsWith(`${site}/`)) return undefined;
  const name = path.slice(site.length + 1);
  if (/^[^/]+\.pth$/.test(name)) return (text) => relativeLines(text, context, `${home}/${site}`);
  if (/^__editable__[^/]*\.py$/.test(name)) {
    const depth = `${home}/${site}`.split('/').length;
    return (text) => movableFinder(publicPaths(text, context), depth);
  }
  const namesPaths = /^[^/]+\.egg-link$/.test(name) || /^[^/]+\.dist-info\/direct_url\.json$/.test(name);
  return namesPaths ? (text) => publicPaths(text, context) : undefined;
}

const inLatin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

const rewriteText = (app: Folder, path: string, rewrite: Rewrite): boolean =>
  rewriteFile(app, path, (bytes) => Buffer.from(rewrite(bytes.toString('latin1')), 'latin1'));

/** Returns whether it changed. */
function rewriteFile(app: Folder, path: string, rewrite: (bytes: Buffer) => Buffer): boolean {
  const before = app.read(path, MOST_TEXT);
  if (before === undefined) return false;
  const after = rewrite(before);
  if (after.equals(before)) return false;
  app.write(path, after, (app.stat(path)?.mode ?? 0o644) & 0o777);
  return true;
}

/** Makes absolute lines of a .pth file inside the app relative to the folder of the file, as `site` reads them. */
function relativeLines(text: string, context: RunContext, folder: string): string {
  const apps = [PUBLIC_APP_DIR, ...privateAppPaths(context)].map(inLatin1);
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      const path = line.trimEnd();
      const end = line.slice(path.length);
      const app = apps.find((candidate) => path === candidate || path.startsWith(`${candidate}/`));
      if (app === undefined) return line;
      return `${posix.relative(`/${inLatin1(folder)}`, `/${path.slice(app.length)}`) || '.'}${end}`;
    })
    .join('');
}

/** Quotes a path for a URL like Python. */
const quotedPath = (path: string): string =>
  path
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');

/** Replaces the private path of the app, plain or quoted for a URL, with /app. */
function publicPaths(text: string, context: RunContext): string {
  let result = text;
  for (const path of privateAppPaths(context)) {
    for (const spelled of new Set([inLatin1(path), encodeURI(path), quotedPath(path)])) {
      result = result.replaceAll(spelled, PUBLIC_APP_DIR);
    }
  }
  return result;
}

/** The history of editable checkouts contains times and facts about the machine, and no code runs from it. */
function dropCheckoutHistory(app: Folder, folder: string): void {
  for (const { name, kind } of app.list(folder)) if (kind === 'directory') app.remove(`${folder}/${name}/.git`);
}

/**
 * Debug sections of locally compiled extensions contain the path of the build folder. A plain `linux_*` tag marks such wheels,
 * because indexes don't accept it. The package controls its RECORD, so this strips only files that this node wrote.
 */
async function stripLocalBuilds(
  app: Folder,
  home: string,
  site: string,
  files: readonly string[],
): Promise<readonly string[]> {
  const stripped: string[] = [];
  const written = new Set(files);
  for (const path of files.filter((file) => /^[^/]+\.dist-info\/WHEEL$/.test(file.slice(site.length + 1)))) {
    if (!app.isFile(`${home}/${path}`)) continue;
    if (!/^Tag: .*-linux_\w+\s*$/m.test(app.readText(`${home}/${path}`, MOST_TEXT) ?? '')) continue;
    for (const file of ownedExtensions(app, home, site, posix.dirname(path))) {
      if (written.has(file) && (await strip(app, `${home}/${file}`))) stripped.push(file);
    }
  }
  return stripped;
}

/** The extension modules in a RECORD, relative to the Python's folder. */
function ownedExtensions(app: Folder, home: string, site: string, info: string): readonly string[] {
  const record = `${home}/${info}/RECORD`;
  if (!app.isFile(record)) return [];
  return recordPaths(app.readText(record, MOST_TEXT) ?? '')
    .map((name) => pathBeneath(site, name))
    .filter((file) => file !== undefined)
    .filter((file) => /\.so(\.[\d.]+)?$/.test(file));
}

/** Removes the debug sections of an ELF file and the build ID that depends on them. Returns whether it changed. */
export async function strip(app: Folder, path: string): Promise<boolean> {
  const stat = app.stat(path);
  if (stat?.isFile() !== true || stat.size > MOST_ELF) return false;
  const before = app.read(path, MOST_ELF);
  if (before === undefined || !isElf(before)) return false;
  const after = withOwnBuildId(withoutDebug(before));
  if (after.equals(before)) return false;
  app.write(path, after, stat.mode & 0o777);
  return true;
}

function correctRecords(
  app: Folder,
  { home, site, seen }: { readonly home: string; readonly site: string; readonly seen: readonly string[] },
  files: readonly string[],
  rewritten: ReadonlySet<string>,
): void {
  const columns = new Map<string, string>();
  for (const path of rewritten) {
    const bytes = app.read(`${home}/${path}`, MOST_ELF);
    if (bytes !== undefined) columns.set(inLatin1(path), recordColumns(bytes));
  }
  // Poetry writes absolute paths for the project itself. They become relative to site-packages.
  const relative = (name: string): string | undefined => {
    const folder = seen.find((candidate) => name.startsWith(`${candidate}/`));
    return folder === undefined ? undefined : posix.relative(`/${site}`, name.slice(folder.length));
  };
  for (const path of files) {
    if (!path.startsWith(`${site}/`) || !path.endsWith('.dist-info/RECORD') || !app.isFile(`${home}/${path}`)) continue;
    rewriteText(app, `${home}/${path}`, (text) =>
      editRecord(renameInRecord(text, relative), (name) => columns.get(posix.normalize(`${site}/${name}`))),
    );
  }
}
