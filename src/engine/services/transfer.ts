// Brings the bytes of one address to a file: over http and https with redirects and retries, or from a file URL.

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FailureError, type Failure } from '../failure.js';
import type { DeadHosts } from './dead-hosts.js';
import {
  badRedirect,
  cutOff,
  hostUnreachable,
  invalidUrl,
  notFound,
  refused,
  serverError,
  stalled,
  tooSlow,
} from './failures.js';
import { exchange, peerOf, type Exchange } from './http-exchange.js';
import { watchPace } from './pace.js';
import { receive, type ReceiveOptions } from './receive.js';

export interface TransferSettings {
  /** Proxy variables of the operator (`http_proxy`, `no_proxy` and so on). */
  readonly proxies: Readonly<Record<string, string>>;
  /** A host that gives no connection within this time counts as unreachable. */
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  /** Averaged over each `rateWindowMs`. */
  readonly minBytesPerSecond: number;
  readonly rateWindowMs: number;
  /** For one file, all tries together. Default: ten minutes, and as long as its size takes at 64 KiB a second. */
  readonly transferMs?: number;
  /** The first one included. */
  readonly tries: number;
  /** For files of unknown size. */
  readonly maxBytes: number;
  /** Waits between tries; rejects when aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface TransferRequest {
  readonly url: string;
  /** Lower-case hex; absent if any bytes are right. */
  readonly sha256?: string;
  readonly sizeBytes?: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number | undefined) => void;
}

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
const MAX_REDIRECTS = 5;

/** Fetches to a new file, with retries. Throws a FailureError for what a user may meet. */
export async function fetchInto(
  path: string,
  request: TransferRequest,
  settings: TransferSettings,
  deadHosts: DeadHosts,
): Promise<void> {
  const { signal } = request;
  const url = parseUrl(request.url);
  if (url.protocol === 'file:') return copyInto(path, url, request, settings);
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    const failed = await attemptHttp({ path, url, request, settings, deadHosts, attempt, startedAt });
    if (failed === undefined) return;
    if (attempt >= settings.tries || signal.aborted) throw new FailureError(failed.failure);
    // Half of the pause is random, so that builds that failed together don't retry together.
    const pauseMs = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
    await settings.sleep(Math.min(Math.max(pauseMs, failed.retryAfterMs ?? 0), MAX_PAUSE_MS), signal);
  }
}

/** A failure that another try may fix. */
interface RetryableFailure {
  readonly failure: Failure;
  /** As the server asked. */
  readonly retryAfterMs?: number;
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new FailureError(invalidUrl(text, 'It is not a valid URL.'));
  }
  if (!['http:', 'https:', 'file:'].includes(url.protocol))
    throw new FailureError(invalidUrl(text, `The scheme ${url.protocol} is not supported.`));
  return url;
}

interface Attempt {
  readonly path: string;
  readonly url: URL;
  readonly request: TransferRequest;
  readonly settings: TransferSettings;
  readonly deadHosts: DeadHosts;
  /** From 1. */
  readonly attempt: number;
  /** `performance.now()` when the first began. */
  readonly startedAt: number;
}

async function attemptHttp(given: Attempt): Promise<RetryableFailure | undefined> {
  const { url, request, settings, deadHosts, attempt } = given;
  let current = url;
  for (let redirects = 0; ; redirects += 1) {
    const peer = peerOf(current, settings.proxies);
    const remembered = deadHosts.find(peer);
    if (remembered !== undefined)
      throw new FailureError(
        hostUnreachable(current.href, peer, `${remembered} pyflow does not try it again for ten minutes.`),
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
      throw new FailureError(badRedirect(url.href, `It redirected more than ${MAX_REDIRECTS} times.`));
    current = followed(current, location);
  }
}

/** A file may take ten minutes, plus its size at 64 KiB a second. */
const SLOWEST_WHOLE = 64 * 1024;
const LEAST_WHOLE_MS = 10 * 60_000;

async function receiveBody(
  { path, request, settings, attempt, startedAt }: Attempt,
  from: URL,
  { response, isStalled }: Extract<Exchange, { readonly type: 'answered' }>,
): Promise<RetryableFailure | undefined> {
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
    const options = receiveOptionsOf(path, from, { ...request, onProgress }, settings);
    const received = await receive(response, { ...options, expected });
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
    throw new FailureError(badRedirect(from.href, 'It redirected to an invalid URL.'));
  const to = new URL(location, from.href);
  if (to.protocol !== 'https:' && to.protocol !== 'http:')
    throw new FailureError(badRedirect(from.href, `It redirected to the scheme ${to.protocol}`));
  if (from.protocol === 'https:' && to.protocol === 'http:')
    throw new FailureError(
      badRedirect(from.href, 'It redirected from https to http, where anyone on the network can change the file.'),
    );
  return to;
}

function judgeStatus(url: URL, status: number, retryAfter: string | undefined, attempt: number): RetryableFailure {
  const why = `The server answered with status ${status}.`;
  if (status === 404 || status === 410) throw new FailureError(notFound(url.href, why));
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) throw new FailureError(refused(url.href, why));
  const seconds = Number(retryAfter);
  return {
    failure: serverError(url.href, status, attempt),
    ...(Number.isFinite(seconds) && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  };
}

const receiveOptionsOf = (
  path: string,
  url: URL,
  { sha256, sizeBytes, signal, onProgress }: TransferRequest,
  { maxBytes }: TransferSettings,
): Omit<ReceiveOptions, 'expected'> => ({
  path,
  url: url.href,
  limit: sizeBytes ?? maxBytes,
  sha256,
  signal,
  onProgress,
});

async function copyInto(path: string, url: URL, request: TransferRequest, settings: TransferSettings): Promise<void> {
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
      code === 'ENOENT' || code === 'ENOTDIR'
        ? notFound(url.href, "The file doesn't exist.")
        : refused(url.href, message),
    );
  }
  const expected = request.sizeBytes ?? size;
  const options = receiveOptionsOf(path, url, request, settings);
  const received = await receive(createReadStream(source), { ...options, expected });
  if (received !== undefined) throw new FailureError(cutOff(url.href, received, expected, 1));
}
