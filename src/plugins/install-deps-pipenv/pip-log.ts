// The log that the pip inside Pipenv writes. Pipenv itself passes on what pip says only when it fails, and then without what
// tells a broken index from a package that does not exist. Unaware of how Pipenv is run.

import type { Folder } from '../../engine/sdk.js';
import { maskUserinfo } from '../shared/install/index-url.js';

export interface PipLog {
  /** pip built a package here, so what is in the layer was not made by the index alone. */
  readonly builtFromSource: boolean;
  /** The last lines that may say what went wrong, without passwords. */
  readonly lines: readonly string[];
  /** What the build that failed printed; pip shows it only to those who do not ask for a log. */
  readonly failedBuild: readonly string[];
}

const KEPT_LINES = 400;
/** A log of this size was not written by pip alone. */
const MOST_BYTES = 256 * 1024 * 1024;
const TIME = /^\d{4}-\d\d-\d\dT\S+ /;
/** One for each file at the index, by the thousands. */
const NOISE = /^\s*(?:Found link|Skipping link|Link requires|Ignoring link|Created |Removed |Looking up)/;
/** A build, a checkout; its output follows, indented. */
const COMMAND = /^\s*Running command /;
const COMMAND_FAILED = /^\s*(?:ERROR: .* exited with |\[bold magenta\])/;

/** Empty when there is no such file: Pipenv did not come to run pip. */
export async function readPipLog(folder: Folder, path: string): Promise<PipLog> {
  const lines: string[] = [];
  let builtFromSource = false;
  let output: string[] = [];
  let failedBuild: readonly string[] = [];
  const see = (line: string): void => {
    const text = maskUserinfo(line.replace(TIME, ''));
    if (NOISE.test(text)) return;
    keep(lines, text);
    if (COMMAND.test(text)) {
      builtFromSource = true;
      output = [];
    } else if (!COMMAND_FAILED.test(text)) {
      keep(output, text.replace(/^ {2}/, ''));
    } else if (builtFromSource && failedBuild.length === 0) {
      failedBuild = output.slice(-KEPT_LINES);
    }
  };
  if (folder.isFile(path)) await folder.readLines(path, see, MOST_BYTES);
  return { builtFromSource, lines: lines.slice(-KEPT_LINES), failedBuild };
}

function keep(lines: string[], text: string): void {
  lines.push(text);
  if (lines.length > 2 * KEPT_LINES) lines.splice(0, KEPT_LINES);
}
