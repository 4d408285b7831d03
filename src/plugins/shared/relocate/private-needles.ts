// The paths of private folders that a layer must not contain.

import type { RunContext } from '../../../engine/sdk.js';
import { PUBLIC_APP_DIR } from '../python/home.js';

/**
 * Folders that commands see at the same path on every machine (`/app`, `/tmp`) may appear in a layer. Private folders have
 * deeper paths.
 */
const isPrivate = (path: string): boolean => path !== PUBLIC_APP_DIR && path.split('/').length > 3;

/** The app's folder as this process and as commands see it, if that is not /app. */
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
