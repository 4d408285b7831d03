// winston carries the logs of plain, ndjson and github. Loaded when the first line is written by a run that
// does something; an up-to-date run writes without it.

import { Writable } from 'node:stream';
import winston from 'winston';
import type { Write } from './renderer.js';

export interface Log {
  readonly write: Write;
  /** Resolves when all is handed to the stream below. */
  close(): Promise<void>;
}

export function openLog(write: Write): Log {
  const sink = new Writable({
    decodeStrings: false,
    write: (chunk: Buffer | string, _encoding, done) => {
      write(typeof chunk === 'string' ? chunk : chunk.toString('utf8'));
      done();
    },
  });
  const logger = winston.createLogger({
    level: 'info',
    format: winston.format.printf(({ message }) => String(message)),
    // The text brings its own line ends.
    transports: [new winston.transports.Stream({ stream: sink, eol: '' })],
  });
  return {
    write: (text) => void logger.info(text),
    close: () =>
      new Promise((resolve) => {
        logger.once('finish', () => sink.end(resolve));
        logger.end();
      }),
  };
}
