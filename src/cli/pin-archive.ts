// Downloads an archive of the platform and writes its digest into a pin file.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail, succeed, type Failure, type Result } from '../engine/failure.js';
import { passThroughOf } from '../engine/app/pass-through.js';
import { fetchUnpinned } from '../engine/services/download.js';
import { parsePins, type Pin } from '../manifests/catalogue/pin-file.js';
import { PLATFORM_ARCHIVE_FORM, versionIn } from '../manifests/catalogue/platform-archives.js';
import type { World } from './world.js';
import { removeFile } from '../engine/files/remove-tree.js';

interface PinRequest {
  /** A URL, or the path of a file. */
  readonly place: string;
  /** Absolute. */
  readonly pinFile: string;
  readonly cacheDir: string;
  /** The digest that the operator expects. */
  readonly sha256?: string;
  /** Whether a different digest replaces the pinned one. */
  readonly replace: boolean;
}
type Pinned = Pin & { readonly name: string; readonly wasPinned: boolean };

export async function pinArchive(request: PinRequest, world: World): Promise<Result<Pinned, Failure>> {
  const { pinFile, place } = request;
  const url = urlOf(place, world.cwd);
  const name = basename(url.pathname);
  if (versionIn(name) === undefined) return fail(notAnArchive(name));
  const before = readPinFile(pinFile);
  if (!before.ok) return before;

  const { signal } = world.onInterrupt();
  const fetched = await fetchUnpinned(
    { url: url.href, signal },
    { cacheDir: request.cacheDir, clock: world, proxies: passThroughOf(world.env) },
  );
  if (!fetched.ok) return fetched;
  const { sha256, sizeBytes } = fetched.value;
  const from = withoutUser(url);
  if (request.sha256 !== undefined && request.sha256 !== sha256)
    return fail(otherDigest(from, `Its SHA-256 is ${sha256}, but --sha256 is ${request.sha256}.`, CHECK_DIGEST));
  const known = Object.hasOwn(before.value.archives, name) ? before.value.archives[name] : undefined;
  if (known?.sha256 === sha256) return succeed({ ...known, name, wasPinned: true });
  if (known !== undefined && !request.replace)
    return fail(otherDigest(from, `Its SHA-256 is ${sha256}, but ${pinFile} pins ${known.sha256}.`, USE_REPLACE));

  const day = new Date(world.now()).toISOString().slice(0, 10);
  const pin: Pin = { sha256, sizeBytes, from, pinned: day };
  const archives = Object.entries({ ...before.value.archives, [name]: pin }).sort(([a], [b]) => (a < b ? -1 : 1));
  const file = { ...before.value.head, retrieved: day, archives: Object.fromEntries(archives) };
  try {
    writeWhole(pinFile, `${JSON.stringify(file, undefined, 2)}\n`);
  } catch (error) {
    return fail(cannotWrite(pinFile, (error as Error).message));
  }
  return succeed({ ...pin, name, wasPinned: false });
}

const urlOf = (place: string, cwd: string): URL =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(place) && URL.canParse(place) ? new URL(place) : pathToFileURL(resolve(cwd, place));

function withoutUser(url: URL): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  return shown.href;
}

const NEW_HEAD = {
  about:
    "Digests of archives of the platform's own Pythons, for the provider `scalingo`. `pyflow catalogue pin` adds to it.",
  source: [{ note: 'Each entry was downloaded and digested: `from` is the source, `pinned` the day.' }],
};

function readPinFile(
  file: string,
): Result<{ readonly head: object; readonly archives: Readonly<Record<string, Pin>> }, Failure> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? succeed({ head: NEW_HEAD, archives: {} }) : fail(cannotWrite(file, message));
  }
  const parsed = parsePins(text);
  if (!parsed.ok) return fail(badPinFile(file, parsed.problems));
  return succeed({ head: JSON.parse(text) as object, archives: parsed.pins });
}

/** By renaming, because builds may read the file meanwhile. */
function writeWhole(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } finally {
    removeFile(temporary);
  }
}

const notAnArchive = (name: string): Failure => ({
  code: 'catalogue::not-an-archive',
  blame: 'pipeline',
  title: `"${name}" is not the name of a platform archive`,
  detail: `The name must say what the archive is for: ${PLATFORM_ARCHIVE_FORM}.`,
  remedy: 'Pass the URL of such an archive, or rename the file.',
});

const badPinFile = (file: string, problems: readonly string[]): Failure => ({
  code: 'catalogue::bad-pin-file',
  blame: 'pipeline',
  title: `${file} is not a pin file`,
  detail: problems.slice(0, 10).join('\n'),
  remedy: 'Fix the file, or name another one. pyflow creates a missing file.',
});

const CHECK_DIGEST = 'Check the digest that you passed. If it is right, the archive has changed: do not use it.';
const USE_REPLACE = 'Find out who changed the archive. If the new one is right, pin it with --replace.';

const otherDigest = (from: string, detail: string, remedy: string): Failure => ({
  code: 'catalogue::other-digest',
  blame: 'environment',
  title: `The archive at ${from} doesn't match the expected digest`,
  detail,
  remedy,
});

const cannotWrite = (file: string, why: string): Failure => ({
  code: 'catalogue::cannot-write',
  blame: 'environment',
  title: `pyflow can't read or write the pin file ${file}`,
  detail: why,
  remedy: 'Check the folder and its permissions.',
});
