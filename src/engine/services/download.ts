// The shared download cache: files by SHA-256, fetched once and checked before anyone sees them.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { makePrivateFolder } from '../files/private-files.js';
import type { Clock } from '../sdk.js';
import { openDeadHosts, type DeadHosts } from './dead-hosts.js';
import { cannotStore, diskFull, downloadAborted } from './failures.js';
import { fetchInto, type TransferRequest, type TransferSettings } from './transfer.js';
import { isVerified, recordVerified } from './verified-files.js';

export interface DownloadOptions extends Partial<TransferSettings> {
  readonly cacheDir: string;
  readonly clock: Clock;
}

export type FetchRequest = TransferRequest & { readonly sha256: string };

export interface Downloader {
  /** Path of a read-only file with exactly these bytes. */
  fetchFile(request: FetchRequest): Promise<Result<string, Failure>>;
}

/** Digest and size of what an address gives now, to pin it. The file goes into the cache, so the next build has it. */
export async function fetchUnpinned(
  request: Omit<TransferRequest, 'sha256'>,
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

type Settings = DownloadOptions & TransferSettings;

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
  /** Several nodes may want the same file at once: one fetches it, the others wait and then find it in the cache. */
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
    if (await isVerified(path, request.sha256)) return path;
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

/** Turns every failure that a user may meet into a value, and leaves no partial file. */
async function caught<T>(
  temporary: string,
  { url, signal }: Pick<FetchRequest, 'url' | 'signal'>,
  folder: string,
  work: () => Promise<T>,
): Promise<Result<T, Failure>> {
  try {
    return succeed(await work());
  } catch (error) {
    // The first error is the one to report.
    await rm(temporary, { force: true }).catch(() => {});
    if (signal.aborted) return fail(downloadAborted(url));
    if (error instanceof FailureError) return fail(error.failure);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') return fail(diskFull(folder));
    if (code !== undefined) return fail(cannotStore(folder, message));
    throw error;
  }
}
