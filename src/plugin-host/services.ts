// The services as a plugin gets them in its own process. Files and archives work here, since they only need the paths of the
// node; other requests go to pyflow.

import type {
  Archive,
  Clock,
  CommandExit,
  Download,
  Failure,
  Files,
  Host,
  NodeLog,
  Result,
  RunContext,
  Subprocess,
} from '../engine/sdk.js';
import { MOST_ASKS, type Ask, type HostFacts, type Tell } from '../engine/outside/protocol.js';
import { archiveService } from '../engine/services/archive-service.js';
import { filesService } from '../engine/services/files.js';
import { callOf, currentId } from './calls.js';
import { say, sayAndWait } from './channel.js';
import { plainCopy, Unsendable } from './plain-value.js';

type Line = (stream: 'stdout' | 'stderr', text: string) => void;

interface Pending {
  readonly id: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  /** Made with the request, so that its stack contains the plugin's line. */
  readonly error: Error;
  readonly onLine?: Line;
}

const pending = new Map<number, Pending>();
let requests = 0;

export function ask(id: string, what: Ask, argument: unknown, onLine?: Line): Promise<unknown> {
  const request = ++requests;
  const error = new TypeError();
  return new Promise((resolve, reject) => {
    // pyflow may answer faster than we read the answers.
    if (pending.size >= MOST_ASKS) {
      const own = [...pending.values()].filter((one) => one.id === id).length;
      if (own >= MOST_ASKS) say({ type: 'flooding', id });
    }
    pending.set(request, { id, resolve, reject, error, ...(onLine === undefined ? {} : { onLine }) });
    say({ type: 'ask', id, request, what, argument: sendable(argument, what) });
  });
}

export function settle(request: number, value: unknown, error: string | undefined): void {
  const asked = pending.get(request);
  pending.delete(request);
  if (asked === undefined) return;
  if (error === undefined) return asked.resolve(value);
  asked.error.message = error;
  // The stack was made with the empty message.
  asked.error.stack = asked.error.stack?.replace(/^TypeError/, `TypeError: ${error}`) ?? '';
  asked.reject(asked.error);
}

export const takeLine = (request: number, stream: 'stdout' | 'stderr', text: string): void =>
  pending.get(request)?.onLine?.(stream, text);

function sendable(argument: unknown, what: string): unknown {
  try {
    return plainCopy(argument);
  } catch (error) {
    if (!(error instanceof Unsendable)) throw error;
    throw new TypeError(`${what}: ${error.where === '' ? 'the request' : error.where} is ${error.what}`, {
      cause: error,
    });
  }
}

const tell = (context: unknown, what: Tell, ...given: readonly unknown[]): void => {
  const { id } = callOf(context);
  say({ type: 'tell', id, what, arguments: sendable(given, what) as unknown[] });
};

const KEPT_LINES = 200;

const subprocess: Subprocess = {
  async run(context, request) {
    const { id } = callOf(context);
    const { filter, ...rest } = request;
    if (filter === undefined) return (await ask(id, 'subprocess', rest)) as Result<CommandExit, Failure>;
    // The filter is code of the plugin, so lines come here, and the lines that it keeps go back.
    const { keepLines = KEPT_LINES } = rest;
    const lines: string[] = [];
    const done = (await ask(id, 'subprocess', { ...rest, filtered: true }, (stream, text) => {
      const kept = filter(stream, text);
      if (kept === undefined) return;
      lines.push(kept);
      if (lines.length > 2 * keepLines) lines.splice(0, lines.length - keepLines);
      tell(context, 'filtered', stream, kept);
    })) as Result<CommandExit, Failure>;
    return done.ok ? { ok: true, value: { exitCode: done.value.exitCode, lines: lines.slice(-keepLines) } } : done;
  },
};

const download: Download = {
  fetch: async (context, request) => (await ask(callOf(context).id, 'download', request)) as Result<string, Failure>,
};

const nodeLog: NodeLog = {
  step: (context, text) => tell(context, 'step', text),
  info: (context, text) => tell(context, 'info', text),
  notice: (context, code, text) => tell(context, 'notice', code, text),
  progress: (context, what, done, total, unit) => tell(context, 'progress', what, done, total ?? null, unit),
};

const clock: Clock = { now: () => Date.now() };

const archiveWith = ({ searchPath }: HostFacts): Archive => {
  const archive = archiveService(searchPath, nodeLog);
  return {
    async unpack(context: RunContext, request) {
      callOf(context);
      return archive.unpack(context, request);
    },
  };
};

const hostWith = (facts: HostFacts): Host => ({
  ...facts,
  setting: (name) =>
    sayAndWait({ type: 'look', id: currentId().id ?? '', what: 'setting', argument: name }) as string | undefined,
});

export const servicesFor = (facts: HostFacts): Readonly<Record<string, unknown>> => ({
  Archive: archiveWith(facts),
  Clock: clock,
  Download: download,
  Files: filesService satisfies Files,
  Host: hostWith(facts),
  NodeLog: nodeLog,
  Subprocess: subprocess,
});
