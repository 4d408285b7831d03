// Reads the output of Poetry: shows progress, and finds the error lines.

import type { NodeLog, RunContext } from '../../../engine/sdk.js';
import { maskUserinfo } from '../install/index-url.js';

const OPERATIONS = /^Package operations: (\d+) installs?, (\d+) updates?/;
const OPERATION = /^\s+- (?:Installing|Updating|Downgrading|Removing) /;

export class PoetryOutput {
  #done = 0;
  #total: number | undefined;

  constructor(
    private readonly log: NodeLog,
    private readonly context: RunContext,
  ) {}

  line(text: string): void {
    const [, installs, updates] = OPERATIONS.exec(text) ?? [];
    if (installs !== undefined) this.#total = Number(installs) + Number(updates);
    if (!OPERATION.test(text)) return;
    this.#done += 1;
    this.log.progress(this.context, 'packages installed', this.#done, this.#total, 'items');
  }
}

/** An excerpt from the source of Poetry, which doesn't help users. */
const EXCERPT = /^\s*(?:(?:→\s*)?\d+│|at \S+\.py:\d+ in )/;

/** The line without passwords and without the bar that Poetry prints before some messages. Undefined to leave it out. */
export const readablePoetryLine = (text: string): string | undefined =>
  EXCERPT.test(text) ? undefined : maskUserinfo(text.replace(/^ {4}\| ?/, ''));

/** Lines that Poetry also prints on success, and advice that does not apply here. */
const NO_ERROR = [
  /^(?:Installing dependencies from lock file|Package operations: .*|Installing the current project: .*)$/,
  OPERATION,
  /^You can also run your poetry command with -v /,
  /^The following error occurred when trying to handle this error:$/,
  /^This is likely not a Poetry issue\.$/,
  /^(?:Causes|Solutions):$/,
  /^ {2}- (?:invalid or corrupt cache|network interruptions) /,
  /^\s+\d\. (?:Regenerate|Update|Try) /i,
  /^(?:Make sure the lockfile is up-to-date\.|If any of those solutions worked,|If neither works,) /,
  /^(?:PEP517 build of a dependency failed|Backend subprocess exited when trying to invoke \w+|You can verify this by running pip wheel .*)$/,
  /^ {2}- (?:not (?:supporting|specifying) PEP 517 |the build requirements are )/,
  // The class of the exception, before its message.
  /^ {2}[A-Za-z]+$/,
];

/** Followed by a list of possible causes. */
const BLAMED_ON_BUILD =
  /^Note: This error originates from the build backend, .* one of the following issues with (.*)$/;

/** The error lines of Poetry. They have no mark, but they come last. */
export const poetryErrors = (lines: readonly string[]): readonly string[] =>
  lines
    .map((line) => line.trimEnd().replace(BLAMED_ON_BUILD, 'The build of $1 failed.'))
    .filter((line) => line !== '' && !NO_ERROR.some((pattern) => pattern.test(line)));
