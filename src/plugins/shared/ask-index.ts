// Asks an index about one package, to learn why pip found nothing: at its usual verbosity pip does not say that the index
// answered with an error, and a package that does not exist looks the same.

import type { RunContext, Subprocess } from '../../engine/sdk.js';
import { maskUserinfo } from './index-url.js';

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
