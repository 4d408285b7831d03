// Keeps the download cache within its size: removes the files that were not used for the longest time.

import { lstat, readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';

export const DEFAULT_DOWNLOAD_BYTES = 10 * 1024 ** 3;
const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

interface Downloaded {
  readonly name: string;
  readonly bytes: number;
  readonly usedAt: number;
}

/** Notes a use, at most once a day. The note is the time of the record beside the file, because that of the file is in the record. */
export async function noteUse(path: string, now: number): Promise<void> {
  const record = `${path}.verified`;
  const found = await lstat(record).catch(() => undefined);
  if (found === undefined || now - found.mtimeMs < DAY_MS) return;
  await utimes(record, now / 1000, now / 1000).catch(() => {});
}

/** Returns the number of removed bytes. Files that were used within the last hour stay, because a run may be about to read them. */
export async function keepDownloads(cacheDir: string, maxBytes: number, now: number): Promise<number> {
  const folder = join(cacheDir, 'downloads');
  const names = await readdir(folder).catch(() => []);
  const files: Downloaded[] = [];
  for (const name of names) {
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined || !found.isFile()) continue;
    if (/^[0-9a-f]{64}$/.test(name)) {
      const record = await lstat(`${path}.verified`).catch(() => undefined);
      files.push({ name, bytes: found.size, usedAt: Math.max(found.mtimeMs, record?.mtimeMs ?? 0) });
      // A killed run left it.
    } else if (/\.\d+\.[0-9a-f]+$/.test(name) && now - found.mtimeMs > DAY_MS) await rm(path, { force: true });
  }
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= maxBytes) return 0;
  const before = total;
  for (const { name, bytes, usedAt } of files.sort((one, other) => one.usedAt - other.usedAt)) {
    if (total <= 0.9 * maxBytes || now - usedAt < HOUR_MS) break;
    await rm(join(folder, name), { force: true });
    await rm(join(folder, `${name}.verified`), { force: true });
    await rm(join(cacheDir, 'packages/origins', name), { force: true });
    total -= bytes;
  }
  return before - total;
}
