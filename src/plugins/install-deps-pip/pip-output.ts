// Reads the output of pip: shows progress, and finds out whether pip built a package.

import type { NodeLog, RunContext } from '../../engine/sdk.js';
import { readableLineOf } from '../shared/pip/command.js';

const COLLECTING = /^(?:Collecting|Processing|Obtaining) /;
const DOWNLOADING = /^\s*(?:Downloading|Using cached) /;
const BUILDING = /^\s*(?:Building (?:wheel|editable) for |Running setup\.py |Building \S+(?:==| @ ))/;

/** pip and uv say this in every install from a pylock.toml. */
const EXPERIMENTAL =
  /^warning: (?:Using pylock\.toml as a requirements source|The `--pylock` option) is (?:an )?experimental/i;

export class PipOutput {
  #collected = 0;
  #fetched = 0;
  /** Whether pip built a package, so that not everything in the layer came from the index. */
  builtFromSource = false;

  constructor(
    private readonly log: NodeLog,
    private readonly context: RunContext,
  ) {}

  /** Returns the line for the log, or undefined to leave it out. */
  line(text: string): string | undefined {
    if (EXPERIMENTAL.test(text)) return undefined;
    if (COLLECTING.test(text)) {
      this.#collected += 1;
      this.log.progress(this.context, 'packages collected', this.#collected, undefined, 'items');
    } else if (DOWNLOADING.test(text)) {
      // The total is known only at the end, because pip finds dependencies on the way.
      this.#fetched = Math.min(this.#fetched + 1, this.#collected);
      this.log.progress(this.context, 'packages fetched', this.#fetched, this.#collected, 'items');
    } else if (BUILDING.test(text)) this.builtFromSource = true;
    // Files that pyflow gives to pip have names that speak for themselves.
    return readableLineOf(this.context, text.replaceAll(`${this.context.paths.given}/`, ''));
  }
}
