// Reads the output of pip: shows progress, and finds out whether pip built a package.

import type { NodeLog, RunContext } from '../../engine/sdk.js';
import { readableLineOf } from '../shared/pip/command.js';

const COLLECTING = /^(?:Collecting|Processing|Obtaining) /;
const DOWNLOADING = /^\s*(?:Downloading|Using cached) /;
const BUILDING = /^\s*(?:Building (?:wheel|editable) for |Running setup\.py |Building \S+(?:==| @ ))/;

export class PipOutput {
  #collected = 0;
  #fetched = 0;
  /** Whether pip built a package, so that not everything in the layer came from the index. */
  builtFromSource = false;

  constructor(
    private readonly log: NodeLog,
    private readonly context: RunContext,
  ) {}

  /** Returns the line for the log. */
  line(text: string): string {
    if (COLLECTING.test(text)) {
      this.#collected += 1;
      this.log.progress(this.context, 'packages collected', this.#collected, undefined, 'items');
    } else if (DOWNLOADING.test(text)) {
      // The total is known only at the end, because pip finds dependencies on the way.
      this.#fetched = Math.min(this.#fetched + 1, this.#collected);
      this.log.progress(this.context, 'packages fetched', this.#fetched, this.#collected, 'items');
    } else if (BUILDING.test(text)) this.builtFromSource = true;
    return readableLineOf(this.context, text);
  }
}
