// What an installer added to a Python of the slug, brought into a form that is the same wherever it was made: launchers
// and links without a private path, RECORDs that agree, no build paths. Unaware of which installer it was.

import { lstat, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, posix } from 'node:path';
import type { RunContext } from '../../engine/sdk.js';
import { changedFiles, takeSnapshot, type Snapshot } from './app-changes.js';
import { isElf, withoutDebug } from './elf.js';
import { eachLimited } from './file-walk.js';
import { movableFinder } from './editable-finder.js';
import { relocatableLauncher } from './launcher.js';
import { privateAppPaths } from './private-needles.js';
import { PUBLIC_APP_DIR, pythonHome } from './python-home.js';
import { editRecord, recordColumns, renameInRecord } from './record.js';

const CONCURRENCY = 8;

export interface PackageLayer {
  /** Relative to the Python's folder, sorted. */
  readonly files: readonly string[];
}

/** Normalizes what was written below the Python's folder since `before`. */
export async function normalizePackages(
  context: RunContext,
  python: { readonly vendorDir: string; readonly minor: string },
  before: Snapshot,
): Promise<PackageLayer> {
  const home = pythonHome(python.vendorDir);
  const real = `${context.appDir}/${home}`;
  await dropCheckoutHistory(`${real}/src`);
  const files = changedFiles(before, await takeSnapshot(real, context.signal));
  const site = `lib/python${python.minor}/site-packages`;
  const rewritten = new Set<string>();
  await eachLimited(files, CONCURRENCY, async (path) => {
    const rewrite = rewriterOf(context, home, site, path);
    if (rewrite === undefined) return;
    if (path.startsWith('bin/') && (await isElfFile(`${real}/${path}`))) return;
    const isChanged = await rewriteText(`${real}/${path}`, rewrite);
    // Which of the small files in site-packages name a private folder depends on the sandbox; their RECORD must not.
    if (isChanged || path.startsWith(`${site}/`)) rewritten.add(path);
  });
  for (const path of await stripLocalBuilds(real, site, files)) rewritten.add(path);
  const seen = [PUBLIC_APP_DIR, ...privateAppPaths(context)].map((app) => inLatin1(`${app}/${home}`));
  await correctRecords({ real, site, seen }, files, rewritten);
  return { files };
}

/** Latin-1 keeps every byte, whatever the encoding; the texts looked for are spelled in bytes as well. */
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

async function rewriteText(file: string, rewrite: Rewrite): Promise<boolean> {
  return rewriteFile(file, (bytes) => Buffer.from(rewrite(bytes.toString('latin1')), 'latin1'));
}

/** Told by its first bytes: a tool that is one large program is not read into memory. */
async function isElfFile(path: string): Promise<boolean> {
  const stat = await lstat(path);
  if (!stat.isFile()) return false;
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return isElf(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}

async function rewriteFile(file: string, rewrite: (bytes: Buffer) => Buffer): Promise<boolean> {
  const stat = await lstat(file);
  if (!stat.isFile()) return false;
  const before = await readFile(file);
  const after = rewrite(before);
  if (after.equals(before)) return false;
  await rm(file);
  await writeFile(file, after, { mode: stat.mode & 0o777 });
  return true;
}

/** Absolute lines of a .pth file that lead into the app become relative to its folder, as `site` reads them. */
function relativeLines(text: string, context: RunContext, folder: string): string {
  const apps = [PUBLIC_APP_DIR, ...privateAppPaths(context)].map(inLatin1);
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      const [, path = '', end = ''] = /^(.*?)(\s*)$/s.exec(line) ?? [];
      const app = apps.find((candidate) => path === candidate || path.startsWith(`${candidate}/`));
      if (app === undefined) return line;
      return `${posix.relative(`/${inLatin1(folder)}`, `/${path.slice(app.length)}`) || '.'}${end}`;
    })
    .join('');
}

/** As Python quotes a path for a URL: what is not plain in every part of one. */
const quotedPath = (path: string): string =>
  path
    .split('/')
    .map((part) =>
      encodeURIComponent(part).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');

/** Private spellings of the app's folder, plain or as in a URL, become /app. */
function publicPaths(text: string, context: RunContext): string {
  let result = text;
  for (const path of privateAppPaths(context)) {
    for (const spelled of new Set([inLatin1(path), encodeURI(path), quotedPath(path)])) {
      result = result.replaceAll(spelled, PUBLIC_APP_DIR);
    }
  }
  return result;
}

/** The history of editable checkouts holds times and machine facts, and nothing runs from it. */
async function dropCheckoutHistory(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) await rm(`${folder}/${name}/.git`, { recursive: true, force: true });
}

/**
 * Debug sections of extensions compiled here name the folder they were compiled in. A plain `linux_*` tag marks such
 * wheels: an index takes none.
 */
async function stripLocalBuilds(real: string, site: string, files: readonly string[]): Promise<readonly string[]> {
  const stripped: string[] = [];
  for (const path of files.filter((file) => /^[^/]+\.dist-info\/WHEEL$/.test(file.slice(site.length + 1)))) {
    const isLocal = /^Tag: .*-linux_\w+\s*$/m.test(await readFile(`${real}/${path}`, 'utf8'));
    if (!isLocal) continue;
    const record = await readFile(`${real}/${dirname(path)}/RECORD`, 'utf8').catch(() => '');
    const owned: string[] = [];
    editRecord(record, (name) => void owned.push(posix.normalize(`${site}/${name}`)));
    for (const file of owned.filter((name) => /\.so(\.[\d.]+)?$/.test(name))) {
      if (await rewriteFile(`${real}/${file}`, withoutDebug).catch(() => false)) stripped.push(file);
    }
  }
  return stripped;
}

async function correctRecords(
  { real, site, seen }: { readonly real: string; readonly site: string; readonly seen: readonly string[] },
  files: readonly string[],
  rewritten: ReadonlySet<string>,
): Promise<void> {
  const columns = new Map<string, string>();
  for (const path of rewritten) columns.set(inLatin1(path), recordColumns(await readFile(`${real}/${path}`)));
  // Absolute ones, as Poetry writes them for the project itself, become relative to site-packages.
  const relative = (name: string): string | undefined => {
    const folder = seen.find((candidate) => name.startsWith(`${candidate}/`));
    return folder === undefined ? undefined : posix.relative(`/${site}`, name.slice(folder.length));
  };
  const records = files.filter((path) => path.startsWith(`${site}/`) && path.endsWith('.dist-info/RECORD'));
  await eachLimited(records, CONCURRENCY, async (path) => {
    await rewriteText(`${real}/${path}`, (text) =>
      editRecord(renameInRecord(text, relative), (name) => columns.get(posix.normalize(`${site}/${name}`))),
    );
  });
}
