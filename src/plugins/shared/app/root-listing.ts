// Looks up files and folders of the app, and lists folders for messages.

import type { ViewReader } from '../../../engine/sdk.js';
import { inRoot } from './root.js';

const SHOWN_NAMES = 40;

/** A regular file, or a symbolic link to one. Broken links don't count. */
export async function isFile(view: ViewReader, path: string): Promise<boolean> {
  const kind = view.kindOf(path);
  return kind === 'file' || (kind === 'symlink' && view.exists(path) && (await view.read(path)) !== undefined);
}

/** Like `isFile`, but the node fails for a broken link. */
export async function isWantedFile(view: ViewReader, path: string): Promise<boolean> {
  const kind = view.kindOf(path);
  return kind === 'file' || (kind !== 'directory' && (await view.read(path)) !== undefined);
}

/** A directory, or a symbolic link to something that is not a file. */
export async function isDirectory(view: ViewReader, path: string): Promise<boolean> {
  const kind = view.kindOf(path);
  return kind === 'directory' || (kind === 'symlink' && view.exists(path) && !(await isFile(view, path)));
}

/** The contents of the root, one name per line, folders with a slash. */
export function describeRoot(view: ViewReader, root: string): string {
  const title = root === '.' ? 'The root of the app contains:' : `${root} contains:`;
  return describeNames(title, namesIn(view, inRoot(root, '')));
}

/** A folder and one level below it. */
export function describeFolder(view: ViewReader, path: string): string {
  const names = namesIn(view, path).flatMap((name) =>
    name.endsWith('/') ? [name, ...namesIn(view, `${path}/${name.slice(0, -1)}`).map((below) => name + below)] : [name],
  );
  return describeNames(`${path} contains:`, names);
}

function namesIn(view: ViewReader, path: string): readonly string[] {
  const prefix = path === '' ? '' : `${path}/`;
  return view.list(path).map((name) => (view.kindOf(prefix + name) === 'directory' ? `${name}/` : name));
}

function describeNames(title: string, names: readonly string[]): string {
  if (names.length === 0) return `${title} nothing`;
  const shown = names.slice(0, SHOWN_NAMES).map((name) => `  ${printable(name)}`);
  const rest = names.length - shown.length;
  return [title, ...shown, ...(rest > 0 ? [`  ... and ${rest} more`] : [])].join('\n');
}

/** Replaces control characters, which must not reach a terminal. */
const printable = (name: string): string => name.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD');
