// Keeps the end of what a command prints.

/** The last bytes of a stream of lines. */
export class Tail {
  #lines: string[] = [];
  #bytes = 0;

  constructor(private readonly limit: number) {}

  add(line: string): void {
    this.#lines.push(line);
    this.#bytes += Buffer.byteLength(line) + 1;
    // Trimming rarely keeps the cost of a long stream linear.
    if (this.#bytes > 4 * this.limit) {
      this.#lines = [this.text()];
      this.#bytes = Buffer.byteLength(this.#lines[0] ?? '') + 1;
    }
  }

  text(): string {
    const bytes = Buffer.from(this.#lines.join('\n'));
    let start = Math.max(0, bytes.length - this.limit);
    // Don't start in the middle of a character: continuation bytes look like 10xxxxxx.
    while (start > 0 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
    return bytes.toString('utf8', start).trimEnd();
  }
}
