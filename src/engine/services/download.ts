// The shared download cache: files by SHA-256, fetched once, checked before anyone sees them. Unaware of what they hold.

import { createHash, randomBytes, type Hash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { chmod, open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import type { Clock } from '../sdk.js';
import { openDeadHosts, type DeadHosts } from './dead-hosts.js';
import {
  badRedirect,
  cannotStore,
  cutOff,
  diskFull,
  downloadAborted,
  downloadTooLarge,
  hostUnreachable,
  invalidUrl,
  notFound,
  refused,
  serverError,
  stalled,
  tooSlow,
  wrongDigest,
} from './failures.js';
import { exchange, peerOf, type Exchange } from './http-exchange.js';
import { watchPace } from './pace.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';

export interface DownloadOptions {
  readonly cacheDir: string;
  readonly clock: Clock;
  /** Proxy variables of the operator (`http_proxy`, `no_proxy` and so on). Default: none. */
  readonly proxies?: Readonly<Record<string, string>>;
  /** Default 2,000: an unreachable host is told apart within this time. */
  readonly connectTimeoutMs?: number;
  /** Default 30,000. */
  readonly stallTimeoutMs?: number;
  /** Averaged over each `rateWindowMs`. Default 1,024. */
  readonly minBytesPerSecond?: number;
  /** Default 30,000. */
  readonly rateWindowMs?: number;
  /** For one file, all tries together. Default: ten minutes, and as long as its size takes at 64 KiB a second. */
  readonly transferMs?: number;
  /** Default 3, the first one included. */
  readonly tries?: number;
  /** For files of unknown size. Default 4 GiB. */
  readonly maxBytes?: number;
  /** Waits between tries; rejects when aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface FetchRequest {
  readonly url: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes?: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number | undefined) => void;
}

export interface Downloader {
  /** Path of a read-only file with exactly these bytes. */
  fetchFile(request: FetchRequest): Promise<Result<string, Failure>>;
}

/** What an address gives today, by its digest: for pinning it. The file goes into the cache, so the next build has it. */
export async function fetchUnpinned(
  request: Omit<FetchRequest, 'sha256'>,
  options: DownloadOptions,
): Promise<Result<{ readonly sha256: string; readonly sizeBytes: number }, Failure>> {
  const settings = settingsOf(options);
  const folder = join(settings.cacheDir, 'downloads');
  const temporary = join(folder, `unpinned.${process.pid}.${randomBytes(4).toString('hex')}`);
  return caught(temporary, request, folder, async () => {
    makePrivateFolder(folder);
    await fetchInto(temporary, request, settings, openDeadHosts(options.cacheDir, options.clock));
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(temporary)) hash.update(chunk as Buffer);
    const sha256 = hash.digest('hex');
    const { size } = await stat(temporary);
    await publish(temporary, join(folder, sha256));
    return { sha256, sizeBytes: size };
  });
}

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
const MAX_REDIRECTS = 5;

type Settings = Required<Omit<DownloadOptions, 'transferMs'>> & Pick<DownloadOptions, 'transferMs'>;
/** Without a digest anything is right. */
type Wanted = Omit<FetchRequest, 'sha256'> & { readonly sha256?: string };

const settingsOf = (options: DownloadOptions): Settings => ({
  proxies: {},
  connectTimeoutMs: 2000,
  stallTimeoutMs: 30_000,
  minBytesPerSecond: 1024,
  rateWindowMs: 30_000,
  tries: 3,
  maxBytes: 4 * 1024 ** 3,
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
  ...options,
});

export function createDownload(options: DownloadOptions): Downloader {
  const settings = settingsOf(options);
  const deadHosts = openDeadHosts(options.cacheDir, options.clock);
  /** Several nodes may want the same file at once: the others wait and then find it in the cache. */
  const running = new Map<string, Promise<unknown>>();

  return {
    async fetchFile(request) {
      const { sha256, signal, url } = request;
      if (!/^[0-9a-f]{64}$/.test(sha256)) throw new Error(`not a SHA-256 in hex: ${sha256}`);
      for (let other = running.get(sha256); other !== undefined; other = running.get(sha256)) {
        await Promise.race([other, aborted(signal)]);
        if (signal.aborted) break;
      }
      if (signal.aborted) return fail(downloadAborted(url));
      const fetching = fetchOnce(request, settings, deadHosts);
      running.set(sha256, fetching);
      try {
        return await fetching;
      } finally {
        running.delete(sha256);
      }
    },
  };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

async function fetchOnce(
  request: FetchRequest,
  settings: Settings,
  deadHosts: DeadHosts,
): Promise<Result<string, Failure>> {
  const folder = join(settings.cacheDir, 'downloads');
  const path = join(folder, request.sha256);
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  return caught(temporary, request, folder, async () => {
    if (await isCached(path, request.sha256)) return path;
    makePrivateFolder(folder);
    await fetchInto(temporary, request, settings, deadHosts);
    await publish(temporary, path);
    return path;
  });
}

async function publish(temporary: string, path: string): Promise<void> {
  await chmod(temporary, 0o444);
  await rename(temporary, path);
  await recordVerified(path);
}

/** Makes a value of every failure that a user may meet, and leaves no half of a file. */
async function caught<T>(
  temporary: string,
  { url, signal }: Pick<FetchRequest, 'url' | 'signal'>,
  folder: string,
  work: () => Promise<T>,
): Promise<Result<T, Failure>> {
  try {
    return succeed(await work());
  } catch (error) {
    // The first trouble is the one to tell of.
    await rm(temporary, { force: true }).catch(() => {});
    if (signal.aborted) return fail(downloadAborted(url));
    if (error instanceof FailureError) return fail(error.failure);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') return fail(diskFull(folder));
    if (code !== undefined) return fail(cannotStore(folder, message));
    throw error;
  }
}

/** Throws a FailureError for what a user may meet. */
async function fetchInto(path: string, request: Wanted, settings: Settings, deadHosts: DeadHosts): Promise<void> {
  const { signal } = request;
  const url = parseUrl(request.url);
  if (url.protocol === 'file:') return copyInto(path, url, request, settings);
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    const trouble = await attemptHttp({ path, url, request, settings, deadHosts, attempt, startedAt });
    if (trouble === undefined) return;
    if (attempt >= settings.tries || signal.aborted) throw new FailureError(trouble.failure);
    // Half of the pause is chance, so that builds that failed together do not come back together.
    const pauseMs = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
    await settings.sleep(Math.min(Math.max(pauseMs, trouble.retryAfterMs ?? 0), MAX_PAUSE_MS), signal);
  }
}

/** What another try may cure. */
interface Trouble {
  readonly failure: Failure;
  /** What the server asked for. */
  readonly retryAfterMs?: number;
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new FailureError(invalidUrl(text, 'It cannot be parsed as a URL.'));
  }
  if (!['http:', 'https:', 'file:'].includes(url.protocol))
    throw new FailureError(invalidUrl(text, `The scheme ${url.protocol} is not known here.`));
  return url;
}

interface Attempt {
  readonly path: string;
  readonly url: URL;
  readonly request: Wanted;
  readonly settings: Settings;
  readonly deadHosts: DeadHosts;
  /** From 1. */
  readonly attempt: number;
  /** `performance.now()` when the first began. */
  readonly startedAt: number;
}

async function attemptHttp(given: Attempt): Promise<Trouble | undefined> {
  const { url, request, settings, deadHosts, attempt } = given;
  let current = url;
  for (let redirects = 0; ; redirects += 1) {
    const peer = peerOf(current, settings.proxies);
    const remembered = deadHosts.find(peer);
    if (remembered !== undefined)
      throw new FailureError(
        hostUnreachable(current.href, peer, `${remembered} It is not tried again for ten minutes.`),
      );
    const answer = await exchange(current, { ...settings, signal: request.signal });
    request.signal.throwIfAborted();
    if (answer.type === 'unreachable') {
      deadHosts.remember(peer, answer.why);
      throw new FailureError(hostUnreachable(current.href, peer, answer.why));
    }
    deadHosts.forget(peer);
    if (answer.type === 'broken') return { failure: cutOff(current.href, 0, request.sizeBytes, attempt) };
    if (answer.type === 'stalled') return { failure: stalled(current.href, 0, settings.stallTimeoutMs, attempt) };
    if (answer.type === 'proxy-answered') return judgeStatus(current, answer.status, undefined, attempt);

    const { response } = answer;
    const status = response.statusCode ?? 0;
    if (status === 200) {
      return receiveBody(given, current, answer);
    }
    response.destroy();
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined)
      return judgeStatus(current, status, response.headers['retry-after'], attempt);
    if (redirects === MAX_REDIRECTS)
      throw new FailureError(badRedirect(url.href, `It was sent on more than ${MAX_REDIRECTS} times.`));
    current = followed(current, location);
  }
}

/** At 64 KiB a second, beside ten minutes. */
const SLOWEST_WHOLE = 64 * 1024;
const LEAST_WHOLE_MS = 10 * 60_000;

async function receiveBody(
  { path, request, settings, attempt, startedAt }: Attempt,
  from: URL,
  { response, isStalled }: Extract<Exchange, { readonly type: 'answered' }>,
): Promise<Trouble | undefined> {
  const length = response.headers['content-length'];
  const expected = request.sizeBytes ?? (length === undefined ? undefined : Number(length));
  const largest = Math.min(expected ?? settings.maxBytes, settings.maxBytes);
  const wholeMs = settings.transferMs ?? LEAST_WHOLE_MS + (largest / SLOWEST_WHOLE) * 1000;
  const { minBytesPerSecond, rateWindowMs: windowMs } = settings;
  const pace = watchPace({ minBytesPerSecond, windowMs, deadlineMs: startedAt + wholeMs }, () => response.destroy());
  const onProgress = (done: number, total: number | undefined): void => {
    pace.note(done);
    request.onProgress?.(done, total);
  };
  try {
    const received = await receive(path, from.href, response, expected, { ...request, onProgress }, settings);
    if (received === undefined) return undefined;
    const why = pace.tooSlow();
    if (why !== undefined) return { failure: tooSlow(from.href, received, why, attempt) };
    return {
      failure: isStalled()
        ? stalled(from.href, received, settings.stallTimeoutMs, attempt)
        : cutOff(from.href, received, expected, attempt),
    };
  } finally {
    pace.end();
  }
}

function followed(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href))
    throw new FailureError(badRedirect(from.href, 'It was sent on to what is no address.'));
  const to = new URL(location, from.href);
  if (to.protocol !== 'https:' && to.protocol !== 'http:')
    throw new FailureError(badRedirect(from.href, `It was sent on to the scheme ${to.protocol}`));
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw new FailureError(badRedirect(from.href, 'It was sent on from https to http, where anybody may change it.'));
  return to;
}

function judgeStatus(url: URL, status: number, retryAfter: string | undefined, attempt: number): Trouble {
  const why = `The server answered with status ${status}.`;
  if (status === 404 || status === 410) throw new FailureError(notFound(url.href, why));
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) throw new FailureError(refused(url.href, why));
  const seconds = Number(retryAfter);
  return {
    failure: serverError(url.href, status, attempt),
    ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

/** Undefined when the file is complete and right; else how many bytes came before the connection ended. */
async function receive(
  path: string,
  url: string,
  body: AsyncIterable<Buffer>,
  expected: number | undefined,
  { sha256, sizeBytes, signal, onProgress }: Wanted,
  { maxBytes }: Settings,
): Promise<number | undefined> {
  const limit = sizeBytes ?? maxBytes;
  const hash = createHash('sha256');
  const file = await open(path, 'w', privateFileMode(path));
  let received = 0;
  try {
    received = await writeAll(file, hash, readable(body), (total) => {
      signal.throwIfAborted();
      if (total > limit) throw new FailureError(downloadTooLarge(url, limit));
      onProgress?.(total, expected);
    });
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    return error.received;
  } finally {
    await file.close();
  }
  if (expected !== undefined && received < expected) return received;
  const actual = hash.digest('hex');
  if (sha256 !== undefined && actual !== sha256) throw new FailureError(wrongDigest(url, sha256, actual));
  return undefined;
}

/** The connection ended before the body did; no error of the disk. */
class BodyError extends Error {
  constructor(readonly received: number) {
    super();
  }
}

async function* readable(body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  let received = 0;
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      let next: IteratorResult<Buffer>;
      try {
        next = await chunks.next();
      } catch {
        throw new BodyError(received);
      }
      if (next.done === true) return;
      received += next.value.length;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

async function writeAll(
  file: FileHandle,
  hash: Hash,
  chunks: AsyncIterable<Buffer>,
  onTotal: (total: number) => void,
): Promise<number> {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    onTotal(total);
    hash.update(chunk);
    for (let written = 0; written < chunk.length;)
      written += (await file.write(chunk, written, chunk.length - written)).bytesWritten;
  }
  return total;
}

async function copyInto(path: string, url: URL, request: Wanted, settings: Settings): Promise<void> {
  let source: string;
  try {
    source = fileURLToPath(url);
  } catch (error) {
    throw new FailureError(invalidUrl(request.url, (error as Error).message));
  }
  let size: number;
  try {
    const found = await stat(source);
    if (!found.isFile()) throw new FailureError(notFound(url.href, 'It is not a file.'));
    size = found.size;
    await (await open(source, 'r')).close();
  } catch (error) {
    if (error instanceof FailureError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new FailureError(
      code === 'ENOENT' || code === 'ENOTDIR' ? notFound(url.href, 'No such file exists.') : refused(url.href, message),
    );
  }
  const received = await receive(
    path,
    url.href,
    createReadStream(source),
    request.sizeBytes ?? size,
    request,
    settings,
  );
  if (received !== undefined) throw new FailureError(cutOff(url.href, received, request.sizeBytes ?? size, 1));
}

/** True when the file is there and still what it was when its bytes were last checked; a wrong one is removed. */
async function isCached(path: string, sha256: string): Promise<boolean> {
  const now = await identify(path);
  if (now === undefined) return false;
  const recorded = await readFile(`${path}.verified`, 'utf8').catch(() => '');
  if (recorded !== '' && recorded === now) return true;
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch {
    return false;
  }
  if (hash.digest('hex') !== sha256) {
    await rm(path, { force: true });
    return false;
  }
  await recordVerified(path);
  return true;
}

async function recordVerified(path: string): Promise<void> {
  const identity = await identify(path);
  // Only saves hashing the file again; a record cut off by a crash equals no identity.
  if (identity !== undefined)
    await writeFile(`${path}.verified`, identity, { mode: privateFileMode(path) }).catch(() => {});
}

/** After a crash a file may have its size and times but not its bytes: nothing is trusted across a boot. */
async function identify(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined || !found.isFile()) return undefined;
  const { size, mtimeNs, ctimeNs, ino, dev } = found;
  return `${bootId()} ${[size, mtimeNs, ctimeNs, ino, dev].join(' ')}\n`;
}

let knownBootId: string | undefined;
function bootId(): string {
  if (knownBootId !== undefined) return knownBootId;
  try {
    knownBootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Unlike any other process's, so that nothing recorded is trusted.
    knownBootId = randomBytes(16).toString('hex');
  }
  return knownBootId;
}
