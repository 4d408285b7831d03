// Files that are known to have the right bytes: a record beside each says how the file looked when it was last hashed.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { currentBootId } from '../files/host-id.js';
import { privateFileMode } from '../files/private-files.js';

/** Whether the file exists and has the digest; a file with other bytes is removed. */
export async function isVerified(path: string, sha256: string): Promise<boolean> {
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

/** Call it for a file whose bytes were just checked. */
export async function recordVerified(path: string): Promise<void> {
  const identity = await identify(path);
  // The record only saves hashing the file again; one that a crash cut off equals no identity.
  if (identity !== undefined)
    await writeFile(`${path}.verified`, identity, { mode: privateFileMode(path) }).catch(() => {});
}

/** After a crash a file may have its size and times but not its bytes, so no record is trusted after another boot. */
async function identify(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined || !found.isFile()) return undefined;
  const { size, mtimeNs, ctimeNs, ino, dev } = found;
  return `${currentBootId()} ${[size, mtimeNs, ctimeNs, ino, dev].join(' ')}\n`;
}
