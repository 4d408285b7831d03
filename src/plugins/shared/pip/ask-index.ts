// Queries an index about one package to find out why pip found nothing. At its normal verbosity, pip reports errors of the index
// and missing packages in the same way.

import type { RunContext, Subprocess } from '../../../engine/sdk.js';
import { maskUserinfo } from '../install/index-url.js';

/** The command that failed. */
interface FailedPip {
  /** The interpreter and its arguments, including pip. */
  readonly pip: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const COULD_NOT_FETCH = /^\s*Could not fetch URL /;

/** The output of pip about failed requests, without passwords. It does not appear in the log. */
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
 * The output of pip about the versions of one package, which a conflict hid before. Installs and builds nothing.
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

/** The lines of pip's output that match `wanted`. */
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
