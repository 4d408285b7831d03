// Reads what collectstatic prints, line by line.

import { CAUSES, type Cause } from './failures.js';

export class CollectLog {
  readonly #seen = new Set<Cause>();
  #destination: 'slug' | 'elsewhere' | undefined;

  line(text: string): string {
    for (const { cause, text: sign } of CAUSES) if (text.includes(sign)) this.#seen.add(cause);
    const summary = /^\d+ static files? (?:copied|symlinked)( to ')?/.exec(text);
    if (summary) this.#destination = summary[1] === undefined ? 'elsewhere' : 'slug';
    return text;
  }

  cause(): Cause | undefined {
    return CAUSES.find(({ cause }) => this.#seen.has(cause))?.cause;
  }

  /**
   * Django names the folder only when the files stay on this machine. If a command prints another summary, what it wrote decides.
   */
  isUpload(wroteFiles: boolean): boolean {
    return this.#destination === undefined ? !wroteFiles : this.#destination === 'elsewhere';
  }
}
