// The folders of a node as plugins get them.

import { mkdirSync } from 'node:fs';
import { Folder } from '../files/folder.js';
import { MachineFolder } from '../files/machine-folder.js';
import type { Files, NodeFolders, RunContext } from '../sdk.js';

const known = new WeakMap<object, NodeFolders>();

export const filesService: Files = {
  of(context) {
    let folders = known.get(context);
    if (folders === undefined) known.set(context, (folders = foldersOf(context)));
    return folders;
  },
  machine: (path) => new MachineFolder(path),
};

const foldersOf = ({ appDir, scratchDir, cacheDir, givenDir, toolDir, toolDirs }: RunContext): NodeFolders => ({
  app: new Folder(appDir),
  scratch: new Folder(scratchDir, '$TMPDIR'),
  cache: new Folder(cacheDir, 'the cache folder of the node'),
  // Few nodes give anything, so the folder is made on first use.
  get given() {
    mkdirSync(givenDir, { recursive: true });
    return new Folder(givenDir, 'the folder of given files');
  },
  ...(toolDir === undefined ? {} : { tool: new Folder(toolDir, 'the tool folder') }),
  tools: Object.fromEntries(
    Object.entries(toolDirs).map(([port, path]) => [port, new Folder(path, `the tool ${port}`)]),
  ),
});

/**
 * Calls `use` with paths to the folder and the file of a request that contain no link: what is below a folder of the node is
 * opened first and can't be swapped while `use` works. The folder is made if it is missing.
 */
export async function pinnedPaths<T>(
  context: RunContext,
  { file, into }: { readonly file: string; readonly into: string },
  use: (paths: { readonly file: string; readonly into: string }) => Promise<T>,
): Promise<T> {
  const target = placeOf(context, into);
  if (target === undefined) return use({ file, into });
  target.folder.makeFolders(target.path);
  return target.folder.holding(target.path, async (pinnedInto) => {
    const source = placeOf(context, file);
    if (source === undefined) return use({ file, into: pinnedInto });
    const done = await source.folder.withFileOpen(source.path, async (open) => ({
      value: await use({ file: open.path, into: pinnedInto }),
    }));
    return done === undefined ? use({ file, into: pinnedInto }) : done.value;
  });
}

/** Which of the node's folders contains a path of this process; undefined if none does. */
function placeOf(context: RunContext, path: string): { readonly folder: Folder; readonly path: string } | undefined {
  const { app, scratch, cache, tool } = filesService.of(context);
  const places: readonly (readonly [string | undefined, Folder | undefined])[] = [
    [context.appDir, app],
    [context.scratchDir, scratch],
    [context.cacheDir, cache],
    [context.toolDir, tool],
  ];
  for (const [root, folder] of places) {
    if (root === undefined || root === '' || folder === undefined) continue;
    if (path === root) return { folder, path: '' };
    if (path.startsWith(`${root}/`)) return { folder, path: path.slice(root.length + 1) };
  }
  return undefined;
}
