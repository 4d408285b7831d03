// Follows what pip prints: progress for people, and whether it had to build something. Unaware of how pip is run.

import type { NodeLog, RunContext } from '../../engine/sdk.js';
import { readableLineOf } from '../shared/pip/command.js';

const COLLECTING = /^(?:Collecting|Processing|Obtaining) /;
const DOWNLOADING = /^\s*(?:Downloading|Using cached) /;
const BUILDING = /^\s*(?:Building (?:wheel|editable) for |Running setup\.py |Building \S+(?:==| @ ))/;

export class PipOutput {
  #collected = 0;
  #fetched = 0;
  /** pip built a package here, so what is in the layer was not made by the index alone. */
  builtFromSource = false;

  constructor(
    private readonly log: NodeLog,
    private readonly context: RunContext,
  ) {}

  /** The line for the log. */
  line(text: string): string {
    if (COLLECTING.test(text)) {
      this.#collected += 1;
      this.log.progress(this.context, 'packages collected', this.#collected, undefined, 'items');
    } else if (DOWNLOADING.test(text)) {
      // How many there will be is known only at the end: dependencies are found on the way.
      this.#fetched = Math.min(this.#fetched + 1, this.#collected);
      this.log.progress(this.context, 'packages fetched', this.#fetched, this.#collected, 'items');
    } else if (BUILDING.test(text)) this.builtFromSource = true;
    return readableLineOf(this.context, text);
  }
}
