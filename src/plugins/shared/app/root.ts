// Paths below `root`, the folder with the project files if a repository contains several apps. All other paths of a kind are
// relative to the app, which is the whole repository.

import type { ViewReader } from '../../../engine/sdk.js';

/** A path below the root, app-relative. An empty path stands for the root itself, in the form of views: '' for the app. */
export function inRoot(root: string, path: string): string {
  if (root === '.') return path;
  return path === '' ? root : `${root}/${path}`;
}

/** The root below a folder that stands for the app (`context.appDir`, `context.paths.app`, `$HOME`), for example as a `cwd`. */
export const rootIn = (appDir: string, root: string): string => (root === '.' ? appDir : `${appDir}/${root}`);

/** The name of the folder in messages. */
export const rootName = (root: string): string => (root === '.' ? 'the root of the app' : root);

/** A view of the root only, with paths relative to it. */
export function viewOfRoot(view: ViewReader, root: string): ViewReader {
  if (root === '.') return view;
  return {
    read: (path) => view.read(inRoot(root, path)),
    exists: (path) => view.exists(inRoot(root, path)),
    kindOf: (path) => view.kindOf(inRoot(root, path)),
    isExecutable: (path) => view.isExecutable(inRoot(root, path)),
    list: (path) => view.list(inRoot(root, path)),
    match: (pattern) => view.match(inRoot(root, pattern)).map((path) => path.slice(root.length + 1)),
    env: (name) => view.env(name),
    envNames: () => view.envNames(),
    state: (name) => view.state(name),
    run: view.run,
  };
}
