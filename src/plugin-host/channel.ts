// The two descriptors of the process: reads messages of pyflow as they arrive, and writes messages synchronously.

import { readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { encodeFrame, FrameReader, MOST_FRAME_BYTES } from '../engine/outside/frames.js';
import { SAID_DESCRIPTOR, TOLD_DESCRIPTOR, type Said, type Told } from '../engine/outside/protocol.js';

// A plugin may replace the global ones.
const leave = (process as unknown as { reallyExit(status: number): never }).reallyExit.bind(process);

/** Returns after the system has accepted the message. */
export function say(message: Said): void {
  const frame = encodeFrame(message);
  try {
    for (let done = 0; done < frame.length;) done += writeSync(SAID_DESCRIPTOR, frame, done);
  } catch (error) {
    // pyflow is gone.
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') leave(0);
    throw error;
  }
}

/** Asks, and blocks the process until the answer arrives. */
export function sayAndWait(message: Said & { readonly type: 'look' }): unknown {
  say(message);
  const header = readFully(4);
  const answer = JSON.parse(readFully(header.readUInt32BE(0)).toString('utf8')) as {
    readonly value?: unknown;
    readonly error?: string;
  };
  if (answer.error !== undefined) throw new TypeError(answer.error);
  return answer.value;
}

function readFully(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const count = readSync(SAID_DESCRIPTOR, bytes, done, length - done, null);
    if (count === 0) leave(0);
    done += count;
  }
  return bytes;
}

export function listen(take: (message: Told) => void): void {
  const socket = new Socket({ fd: TOLD_DESCRIPTOR, readable: true, writable: false });
  const reader = new FrameReader(MOST_FRAME_BYTES);
  socket.on('data', (chunk: Buffer) =>
    reader.push(chunk, (message) => {
      take(message as Told);
      return true;
    }),
  );
  socket.on('error', () => leave(0));
  socket.on('close', () => leave(0));
}
