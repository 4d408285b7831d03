// A minimal terminal: wraps lines, moves the cursor up, clears below. Supports only what the live renderer uses.
/* oxlint-disable no-control-regex -- control sequences are what is parsed */

export class FakeScreen {
  /** All rows so far, including scrolled-away ones. A row that wraps into the next is marked. */
  #rows: { text: string; wraps: boolean }[] = [{ text: '', wraps: false }];
  #row = 0;
  cursorHidden = false;

  constructor(
    private columns: number,
    private readonly height: number,
  ) {}

  size(): { readonly columns: number; readonly rows: number } {
    return { columns: this.columns, rows: this.height };
  }

  /** Reflows wrapped rows, as most terminals do. */
  resize(columns: number): void {
    const lines = this.#lines();
    this.columns = columns;
    this.#rows = [];
    for (const line of lines) this.#rows.push(...this.#wrap(line));
    this.#row = this.#rows.length - 1;
  }

  wrapped(line: string): string[] {
    return this.#wrap(line).map(({ text }) => text);
  }

  /** Rows without trailing empty ones. */
  text(): string[] {
    const rows = this.#rows.map(({ text }) => text);
    while (rows.at(-1) === '') rows.pop();
    return rows;
  }

  write(text: string): void {
    for (const [token] of text.matchAll(/\u001b\[\?25[lh]|\u001b\[\d*[A-Za-z]|[\r\n]|[^\u001b\r\n]+/g)) {
      if (token === '\u001b[?25l') this.cursorHidden = true;
      else if (token === '\u001b[?25h') this.cursorHidden = false;
      else if (token === '\r') this.#column = 0;
      else if (token === '\n') this.#newline(false);
      else if (token === '\u001b[0J') this.#clearBelow();
      else if (/^\u001b\[\d+A$/.test(token)) this.#row = Math.max(0, this.#row - Number(token.slice(2, -1)));
      else if (token.startsWith('\u001b')) throw new Error(`unexpected sequence ${JSON.stringify(token)}`);
      else this.#put(token);
    }
  }

  #column = 0;

  #put(text: string): void {
    for (const character of text) {
      if (this.#column >= this.columns) this.#newline(true);
      const row = this.#rows[this.#row]!;
      row.text = row.text.slice(0, this.#column) + character + row.text.slice(this.#column + 1);
      this.#column += 1;
    }
  }

  #newline(wraps: boolean): void {
    this.#rows[this.#row]!.wraps = wraps;
    this.#row += 1;
    if (this.#row === this.#rows.length) this.#rows.push({ text: '', wraps: false });
    this.#column = 0;
  }

  #clearBelow(): void {
    this.#rows.length = this.#row + 1;
    this.#rows[this.#row] = { text: this.#rows[this.#row]!.text.slice(0, this.#column), wraps: false };
  }

  #lines(): string[] {
    const lines: string[] = [];
    let line = '';
    for (const { text, wraps } of this.#rows) {
      line += text;
      if (!wraps) {
        lines.push(line);
        line = '';
      }
    }
    return wrapsAtEnd(this.#rows) ? [...lines, line] : lines;
  }

  #wrap(line: string): { text: string; wraps: boolean }[] {
    const rows: { text: string; wraps: boolean }[] = [];
    for (let from = 0; from < line.length; from += this.columns) {
      rows.push({ text: line.slice(from, from + this.columns), wraps: from + this.columns < line.length });
    }
    return rows.length === 0 ? [{ text: '', wraps: false }] : rows;
  }
}

const wrapsAtEnd = (rows: readonly { readonly wraps: boolean }[]): boolean => rows.at(-1)?.wraps === true;
