// Asks an index about one package, to learn why pip found nothing: at its usual verbosity pip does not say that the index
// answered with an error, and a package that does not exist looks the same.

import type { RunContext, Subprocess } from '../../../engine/sdk.js';
import { maskUserinfo } from '../install/index-url.js';

const COULD_NOT_FETCH = /^\s*Could not fetch URL /;

/** What pip says about requests that failed, without passwords; nothing of it enters the log. */
export async function askIndex(
  subprocess: Subprocess,
  context: RunContext,
  request: {
    /** The interpreter and its arguments up to pip itself. */
    readonly pip: readonly string[];
    readonly name: string;
    /** The environment of the command that failed. */
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<readonly string[]> {
  const lines: string[] = [];
  await subprocess.run(context, {
    argv: [...request.pip, 'index', 'versions', request.name, '-vv', '--retries=0', '--no-cache-dir'],
    cwd: context.paths.scratch,
    env: request.env,
    network: true,
    filter: (_, text) => {
      if (COULD_NOT_FETCH.test(text)) lines.push(maskUserinfo(text.trim()));
      return undefined;
    },
  });
  return lines;
}

const ABOUT_PYTHON =
  /^ERROR: (?:Ignored the following versions that require a different python|Could not find a version that satisfies |No matching distribution found for )/;

/** What pip says of the versions of one package, where the rest of a conflict hid it. Nothing is installed or built. */
export async function askVersions(
  subprocess: Subprocess,
  context: RunContext,
  request: {
    readonly pip: readonly string[];
    /** `django==6.0.3` */
    readonly requirement: string;
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<readonly string[]> {
  const lines: string[] = [];
  const options = [
    '--dry-run',
    '--no-deps',
    '--ignore-installed',
    '--only-binary=:all:',
    '--retries=0',
    '--no-cache-dir',
  ];
  await subprocess.run(context, {
    argv: [...request.pip, 'install', ...options, request.requirement],
    cwd: context.paths.scratch,
    env: request.env,
    network: true,
    filter: (_, text) => {
      if (ABOUT_PYTHON.test(text)) lines.push(maskUserinfo(text.trim()));
      return undefined;
    },
  });
  return lines;
}
