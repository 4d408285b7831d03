// Failures of several Python plugins.

import type { CommandExit, Failure } from '../../../engine/sdk.js';

/** Enough to see the error, short enough for a terminal. */
const SHOWN_LINES = 20;

export const lastLines = (exit: CommandExit, count = SHOWN_LINES): string => exit.lines.slice(-count).join('\n');

export const bytecodeFailed = (exit: CommandExit): Failure => ({
  code: 'python::bytecode',
  blame: 'internal',
  title: `Compiling Python bytecode failed with status ${exit.exitCode}`,
  detail: lastLines(exit) || 'The interpreter printed nothing.',
  remedy: 'Run again with `--refresh` for the runtime. If it fails again, report it with this log.',
});

export const noPython = (folder: string): Failure => ({
  code: 'python::no-runtime',
  blame: 'pipeline',
  title: `${folder} contains no Python`,
  detail: `The input \`runtime\` has no ${folder}/lib/pythonX.Y.`,
  remedy: 'Connect `runtime` to the tree of a `fetch-runtime` node, and set the same `vendorDir` in both nodes.',
});
