// Buffers for reading files piece by piece, used again and again: a fresh one for each file is memory that the system
// gets back late, and a run that stores thousands of files would show it. Unaware of files.

export const CHUNK_BYTES = 1024 * 1024;
const KEPT = 8;

const idle: Buffer[] = [];

/** With bytes of others in it. */
export const takeChunk = (): Buffer => idle.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);

/** Only what nobody reads into any more: after a failure a buffer is better forgotten. */
export function giveChunk(buffer: Buffer): void {
  if (idle.length < KEPT) idle.push(buffer);
}
