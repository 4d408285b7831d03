// Reads what collectstatic prints, line by line. Unaware of who runs it.

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
   * Django names the folder only when the files stay on this machine. A command that prints a summary of its own is
   * judged by what it wrote.
   */
  isUpload(wroteFiles: boolean): boolean {
    return this.#destination === undefined ? !wroteFiles : this.#destination === 'elsewhere';
  }
}
