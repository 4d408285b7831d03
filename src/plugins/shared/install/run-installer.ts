// Runs the program of a package manager for an install.

import type { CommandExit, Result, RunContext, Subprocess } from '../../../engine/sdk.js';
import { rootIn } from '../app/root.js';

/** Long builds print thousands of lines, and the error is in the last ones. */
const KEPT_LINES = 400;

interface InstallerCommand {
  readonly argv: readonly string[];
  /** The folder in which to start it, in the form of `rootSchema`. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  /** Returns the line for the log, or undefined to leave it out. */
  readonly line: (text: string) => string | undefined;
}

export const runInstaller = (
  subprocess: Subprocess,
  context: RunContext,
  { argv, root, env, line }: InstallerCommand,
): Promise<Result<CommandExit>> =>
  subprocess.run(context, {
    argv,
    cwd: rootIn(context.paths.app, root),
    env,
    network: true,
    keepLines: KEPT_LINES,
    filter: (_, text) => line(text),
  });
