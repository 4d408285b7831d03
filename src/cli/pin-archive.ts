// Downloads an archive of the platform and writes its digest into a pin file. Unaware of command lines.

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
  /** What the operator knows the digest to be. */
  readonly sha256?: string;
  /** Another digest takes the place of the pinned one. */
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
    return fail(otherDigest(from, sha256, `--sha256 says ${request.sha256}.`));
  const known = Object.hasOwn(before.value.archives, name) ? before.value.archives[name] : undefined;
  if (known?.sha256 === sha256) return succeed({ ...known, name, wasPinned: true });
  if (known !== undefined && !request.replace)
    return fail(otherDigest(from, sha256, `${known.sha256} is pinned in ${pinFile}.`));

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
  source: [{ note: 'Each entry was downloaded and digested: `from` says where from, `pinned` the day.' }],
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

/** Builds may read it meanwhile. */
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
  title: `"${name}" is not named like an archive of the platform`,
  detail: `The name says what an archive is for: ${PLATFORM_ARCHIVE_FORM}.`,
  remedy: 'Give the address of such a file, or give the file its right name.',
});

const badPinFile = (file: string, problems: readonly string[]): Failure => ({
  code: 'catalogue::bad-pin-file',
  blame: 'pipeline',
  title: `${file} is not a pin file`,
  detail: problems.slice(0, 10).join('\n'),
  remedy: 'Correct it, or name another file: one that is missing is made.',
});

const otherDigest = (from: string, sha256: string, expected: string): Failure => ({
  code: 'catalogue::other-digest',
  blame: 'environment',
  title: `The archive at ${from} is another one than it should be`,
  detail: `Its SHA-256 is ${sha256}, but ${expected}`,
  remedy: 'Find out who changed it. If the new one is right, pin it with --replace.',
});

const cannotWrite = (file: string, why: string): Failure => ({
  code: 'catalogue::cannot-write',
  blame: 'environment',
  title: `The pin file ${file} cannot be read or written`,
  detail: why,
  remedy: 'Check the folder and who may write to it.',
});
