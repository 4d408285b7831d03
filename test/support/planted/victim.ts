// Files outside a node's folders that planted links point to, and a check that they did not change.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { cpSync } from 'node:fs';
import { join } from 'node:path';

const {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  appendFileSync,
} = fs;

export const CANARY = 'canary-of-the-victim-2c9d41';

/** `like`: what was at the place. The victim is a copy of it, so that code that reads it does not fail. */
export function makeVictim(folder: string, like: string | undefined): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'folder'), { recursive: true });
  writeFileSync(join(folder, 'file'), '');
  const stats = like === undefined ? undefined : lstatSync(like, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) {
    cpSync(like!, join(folder, 'folder'), { recursive: true, verbatimSymlinks: true });
  } else if (stats?.isFile() === true) cpSync(like!, join(folder, 'file'));
  appendFileSync(join(folder, 'file'), `${CANARY}\n`);
  for (const path of filesIn(join(folder, 'folder'))) appendFileSync(path, `\n${CANARY}\n`);
  for (const name of ['RECORD', 'METADATA', 'canary.py', 'canary.pth', '.git']) {
    if (!existsSync(join(folder, 'folder', name))) writeFileSync(join(folder, 'folder', name), `${CANARY}\n`);
  }
  mkdirSync(join(folder, 'folder/__pycache__'), { recursive: true });
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Names, kinds, modes, owners, ctimes, link counts and contents of everything there. */
export function digestOf(folders: readonly string[]): string {
  const hash = createHash('sha256');
  const visit = (path: string): void => {
    const { mode, uid, mtimeMs, ctimeMs, nlink, size, ino } = lstatSync(path);
    hash.update(JSON.stringify([path, mode, uid, mtimeMs, ctimeMs, nlink, size, ino]));
    const kind = mode & 0o170000;
    if (kind === 0o040000) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else if (kind === 0o120000) hash.update(readlinkSync(path));
    else if (kind === 0o100000) hash.update(readFileSync(path));
  };
  for (const folder of folders) visit(folder);
  return hash.digest('hex');
}
