// Reads the log of the pip inside Pipenv. Pipenv shows the output of pip only if it fails, and leaves out the lines that
// distinguish a broken index from a package that does not exist.

import type { Folder } from '../../engine/sdk.js';
import { maskUserinfo } from '../shared/install/index-url.js';

export interface PipLog {
  /** Whether pip built a package, so that not everything in the layer came from the index. */
  readonly builtFromSource: boolean;
  /** The last lines, which may contain the cause of a failure, without passwords. */
  readonly lines: readonly string[];
  /** The output of the failed build. pip does not print it if it writes a log. */
  readonly failedBuild: readonly string[];
}

const KEPT_LINES = 400;
/** A larger log was not written by pip alone. */
const MOST_BYTES = 256 * 1024 * 1024;
const TIME = /^\d{4}-\d\d-\d\dT\S+ /;
/** pip writes one such line for each file at the index, often thousands. */
const NOISE = /^\s*(?:Found link|Skipping link|Link requires|Ignoring link|Created |Removed |Looking up)/;
/** The start of a build or a checkout. Its indented output follows. */
const COMMAND = /^\s*Running command /;
const COMMAND_FAILED = /^\s*(?:ERROR: .* exited with |\[bold magenta\])/;

/** Empty if the file does not exist, because Pipenv failed before it ran pip. */
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
