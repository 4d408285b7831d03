// Asks an index about one package, to learn why pip found nothing: at its usual verbosity pip does not say that the index
// answered with an error, and a package that does not exist looks the same.

import type { RunContext, Subprocess } from '../../../engine/sdk.js';
import { maskUserinfo } from '../install/index-url.js';

/** How the command that failed was run. */
interface FailedPip {
  /** The interpreter and its arguments up to pip itself. */
  readonly pip: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const COULD_NOT_FETCH = /^\s*Could not fetch URL /;

/** What pip says about requests that failed, without passwords; nothing of it enters the log. */
export const askIndex = (
  subprocess: Subprocess,
  context: RunContext,
  failed: FailedPip,
  name: string,
): Promise<readonly string[]> =>
  ask(subprocess, context, failed, { args: ['index', 'versions', name, '-vv'], wanted: COULD_NOT_FETCH });

const ABOUT_PYTHON =
  /^ERROR: (?:Ignored the following versions that require a different python|Could not find a version that satisfies |No matching distribution found for )/;

/**
 * What pip says of the versions of one package, where the rest of a conflict hid it. Nothing is installed or built.
 * `requirement`: `django==6.0.3`
 */
export function askVersions(
  subprocess: Subprocess,
  context: RunContext,
  failed: FailedPip,
  requirement: string,
): Promise<readonly string[]> {
  const args = ['install', '--dry-run', '--no-deps', '--ignore-installed', '--only-binary=:all:', requirement];
  return ask(subprocess, context, failed, { args, wanted: ABOUT_PYTHON });
}

/** The lines that are wanted of what pip prints. */
async function ask(
  subprocess: Subprocess,
  context: RunContext,
  { pip, env }: FailedPip,
  { args, wanted }: { readonly args: readonly string[]; readonly wanted: RegExp },
): Promise<readonly string[]> {
  const lines: string[] = [];
  await subprocess.run(context, {
    argv: [...pip, ...args, '--retries=0', '--no-cache-dir'],
    cwd: context.paths.scratch,
    env,
    network: true,
    filter: (_, text) => {
      if (wanted.test(text)) lines.push(maskUserinfo(text.trim()));
      return undefined;
    },
  });
  return lines;
}
