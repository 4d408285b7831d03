// Writes the logs plain, ndjson and github through winston. An up-to-date run doesn't load this file.

import { Writable } from 'node:stream';
import winston from 'winston';
import type { Write } from './renderer.js';

export interface Log {
  readonly write: Write;
  /** Resolves when all text has been passed to `write`. */
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
    // The text contains its own line ends.
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
