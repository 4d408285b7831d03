// The world of the real process: its streams, environment and signals. Only this file and cli.ts read `process`.

import { homedir } from 'node:os';
import { realpathSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXIT_STATUS } from '../engine/failure.js';
import { formatFailure } from '../engine/render/messages.js';
import { styleOf } from '../engine/render/style.js';
import { scarcityFailure } from '../engine/files/system-failures.js';
import { describeBug } from './bug.js';
import { BUG_STATUS, statusOfFailure } from './exit-status.js';
import { lazyEngine } from './engine.js';
import type { Interruption, Output, World } from './world.js';

const INTERRUPTIONS: readonly Interruption[] = [
  { signal: 'SIGINT', exitStatus: 130 },
  { signal: 'SIGTERM', exitStatus: 143 },
];

/** For `pluginHost`, see `lazyEngine`. */
export function processWorld(version: string, pluginHost?: () => string): World {
  process.on('uncaughtException', dieOfBug);
  process.on('unhandledRejection', dieOfBug);
  return {
    version,
    cwd: process.cwd(),
    programDir: programDir(),
    env: process.env,
    homeDir: process.env['HOME'] || homedir(),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    now: () => Date.now(),
    later: (action, ms) => {
      const timer = setTimeout(action, ms).unref();
      return () => clearTimeout(timer);
    },
    onInterrupt: listenOnce(),
    atExit: (action) => void process.on('exit', action),
    engine: lazyEngine(version, process.env, pluginHost),
  };
}

/** `argv[1]` may be a link to the program. */
function programDir(): string {
  const program = process.argv[1] ?? '.';
  try {
    return dirname(realpathSync(program));
  } catch {
    return dirname(program);
  }
}

/** Ends the process after all output is written, because stdout to a pipe is asynchronous. */
export async function leave(exitStatus: number): Promise<never> {
  flushGathered();
  await Promise.all([process.stdout, process.stderr].map(drained));
  // Node reports the error of the last write one turn later.
  await new Promise((resolve) => void setImmediate(resolve));
  process.exit(exitStatus);
}

const drained = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) resolve();
    else stream.once('error', () => resolve()).write('', () => resolve());
  });

function outputOf(stream: NodeJS.WriteStream): Output {
  let gone = false;
  // If the reader of the output exits (`pyflow run ... | head`), the build continues without output.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    gone = true;
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') dieUnheard(error);
  });
  const write = (text: string): void => {
    if (!gone && !stream.destroyed) stream.write(text);
  };
  return {
    ...(stream.isTTY === true || stream === process.stderr ? { write, flush: () => undefined } : gathered(write)),
    isTerminal: stream.isTTY === true,
    size: () => (stream.isTTY === true ? { columns: stream.columns, rows: stream.rows } : undefined),
  };
}

const GATHER_MS = 25;
const GATHER_LENGTH = 32 * 1024;
let flushGathered = (): void => {};

/** Each write wakes the reader of a pipe, which costs more than the text itself, so lines are collected. */
function gathered(write: (text: string) => void): Pick<Output, 'write' | 'flush'> {
  let pending = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const text = pending;
    pending = '';
    if (text !== '') write(text);
  };
  flushGathered = flush;
  return {
    flush,
    write: (text) => {
      pending += text;
      if (pending.length >= GATHER_LENGTH) flush();
      else timer ??= setTimeout(flush, GATHER_MS);
    },
  };
}

function listenOnce(): World['onInterrupt'] {
  let listening: ReturnType<World['onInterrupt']> | undefined;
  return () => {
    if (listening !== undefined) return listening;
    const controller = new AbortController();
    let interruption: Interruption | undefined;
    for (const one of INTERRUPTIONS) {
      process.on(one.signal, () => {
        // The engine is stopping its commands. A user who interrupts twice doesn't want to wait for that.
        if (interruption !== undefined) {
          flushGathered();
          process.exit(one.exitStatus);
        }
        interruption = one;
        controller.abort(one);
      });
    }
    listening = { signal: controller.signal, interruption: () => interruption };
    return listening;
  };
}

const UNHEARD_REMEDY = 'Free space on the disk, or redirect the output to another place. Then run the command again.';

function dieUnheard(error: Error): never {
  try {
    writeSync(2, `error: pyflow can't write its output: ${error.message}\n  -> ${UNHEARD_REMEDY}\n`);
  } catch {
    // stderr may be on the same full disk.
  }
  process.exit(EXIT_STATUS.environment);
}

function dieOfBug(error: unknown): never {
  flushGathered();
  const scarcity = scarcityFailure(error);
  try {
    if (scarcity === undefined) writeSync(2, describeBug(error, Boolean(process.env['PYFLOW_DEBUG'])));
    else writeSync(2, `${formatFailure(scarcity, styleOf(false)).join('\n')}\n`);
  } catch {
    // There is no other place to report it.
  }
  process.exit(scarcity === undefined ? BUG_STATUS : statusOfFailure(scarcity));
}
