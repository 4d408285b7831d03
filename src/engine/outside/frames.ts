// Messages between pyflow and the process of a plugin: a length and JSON. Both sides use this file.

/** Bytes of one message. The largest contain files that a plugin reads through its view. */
export const MOST_FRAME_BYTES = 96 * 1024 * 1024;

const HEADER_BYTES = 4;

export function encodeFrame(message: unknown): Buffer {
  const text = JSON.stringify(message);
  const length = Buffer.byteLength(text);
  if (length > MOST_FRAME_BYTES) throw new RangeError(`a message of ${length} bytes is too large`);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame.write(text, HEADER_BYTES);
  return frame;
}

/** Splits a stream into messages. `push` throws for a length out of bounds or invalid JSON. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(readonly mostBytes: number) {}

  /** Calls `take` for each complete message, until it returns false. */
  push(chunk: Buffer, take: (message: unknown) => boolean): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= HEADER_BYTES) {
      const length = this.#headerAt();
      if (length > this.mostBytes) throw new RangeError(`a message of ${length} bytes is too large`);
      if (this.#bytes < HEADER_BYTES + length) return;
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      const rest = all.subarray(HEADER_BYTES + length);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#bytes = rest.length;
      if (!take(JSON.parse(all.toString('utf8', HEADER_BYTES, HEADER_BYTES + length)))) return;
    }
  }

  #headerAt(): number {
    if (this.#chunks[0]!.length < HEADER_BYTES) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!.readUInt32BE(0);
  }
}
