// The paths of private folders that must not stay in a layer. Unaware of the files.

import type { RunContext } from '../../../engine/sdk.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/**
 * Where a folder is seen at the same place on every machine (`/app`, `/tmp`), its name tells nothing and is no needle;
 * a private one lies deeper.
 */
const isPrivate = (path: string): boolean => path !== PUBLIC_APP_DIR && path.split('/').length > 3;

/** The app's folder as this process and as commands see it, when it is not /app. */
export const privateAppPaths = (context: RunContext): readonly string[] => [
  ...new Set([context.appDir, context.paths.app].filter((path) => path !== PUBLIC_APP_DIR)),
];

/** All private folders of a node. */
export const privatePaths = (context: RunContext): readonly string[] => [
  ...new Set([
    ...privateAppPaths(context),
    ...[
      context.scratchDir,
      context.cacheDir,
      context.paths.scratch,
      context.paths.cache,
      ...(context.toolDir === undefined ? [] : [context.toolDir]),
      ...(context.paths.tool === undefined ? [] : [context.paths.tool]),
      ...Object.values(context.toolDirs),
      ...Object.values(context.paths.tools),
    ].filter(isPrivate),
  ]),
];
