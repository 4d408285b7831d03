// What pyflow does for a call of a plugin: answers about its view, and services for its node.

import { commandProblem, downloadProblem } from './answers.js';
import type { Download, NodeLog, RunContext, Subprocess, ViewReader } from '../sdk.js';
import type { CallServices } from './call.js';
import type { Ask, Look, Tell, Thrown } from './protocol.js';

export interface EngineServices {
  readonly subprocess: Subprocess;
  readonly download: Download;
  readonly log: NodeLog & { printed(context: RunContext, stream: 'stdout' | 'stderr', text: string): void };
  readonly setting: (name: string) => string | undefined;
}

/** Bytes of one file of the view. */
const MOST_READ = 64 * 1024 * 1024;
const MOST_KEPT_LINES = 100_000;

type OwnLog = EngineServices['log'];

/** `context` is absent while `reads` runs. */
export function callServices(
  services: EngineServices,
  view: ViewReader,
  context: RunContext | undefined,
  print: (stream: 'stdout' | 'stderr', text: string) => void,
): CallServices {
  const running = (): RunContext => {
    if (context === undefined) throw new TypeError('this service works only in `run`');
    return context;
  };
  return {
    look: (what, argument) => look(services, view, what, argument),
    async ask(what: Ask, argument, onLine): Promise<unknown> {
      if (what === 'read') return readOf(view, argument);
      if (what === 'download') return services.download.fetch(running(), checked(argument, downloadProblem));
      if (what === 'subprocess')
        return command(services.subprocess, running(), checked(argument, commandProblem), onLine);
      throw new TypeError(`no service ${String(what)} exists`);
    },
    tell: (what, given) => tell(services.log, running(), what, given),
    printed: print,
    strayed(thrown: Thrown) {
      if (context === undefined) return;
      const place = thrown.place === undefined ? '' : ` (${thrown.place})`;
      services.log.notice(
        context,
        'plugin::late-error',
        `The plugin threw after run had returned: ${thrown.text}${place}`,
      );
    },
  };
}

function look({ setting }: EngineServices, view: ViewReader, what: Look, argument: unknown): unknown {
  if (what === 'envNames') return view.envNames();
  if (typeof argument !== 'string') throw new TypeError(`${String(what)} needs a string`);
  switch (what) {
    case 'exists':
      return view.exists(argument);
    case 'kindOf':
      return view.kindOf(argument);
    case 'isExecutable':
      return view.isExecutable(argument);
    case 'list':
      return view.list(argument);
    case 'match':
      return view.match(argument);
    case 'env':
      return view.env(argument);
    case 'state':
      return view.state(argument);
    case 'setting':
      return setting(argument);
    default:
      throw new TypeError(`the view has no method ${String(what)}`);
  }
}

async function readOf(view: ViewReader, path: unknown): Promise<string | undefined> {
  if (typeof path !== 'string') throw new TypeError('read needs a path');
  const bytes = await view.read(path);
  if (bytes !== undefined && bytes.length > MOST_READ)
    throw new RangeError(
      `${path} is larger than ${MOST_READ / 1024 / 1024} MiB; read it in run with the Files service`,
    );
  return bytes?.toString('base64');
}

type Command = Parameters<Subprocess['run']>[1] & { readonly filtered?: boolean };

async function command(
  subprocess: Subprocess,
  context: RunContext,
  { filtered, keepLines, ...request }: Command,
  onLine: (stream: 'stdout' | 'stderr', text: string) => void,
): Promise<unknown> {
  return subprocess.run(context, {
    ...request,
    ...(keepLines === undefined ? {} : { keepLines: Math.min(keepLines, MOST_KEPT_LINES) }),
    ...(filtered === true ? { filter: (stream, text) => void onLine(stream, text) } : {}),
  });
}

function checked<T>(request: unknown, problemOf: (request: unknown) => string | undefined): T {
  const problem = problemOf(request);
  if (problem !== undefined) throw new TypeError(problem);
  return request as T;
}

function tell(log: OwnLog, context: RunContext, what: Tell, given: readonly unknown[]): void {
  const [first, second, third, fourth] = given;
  switch (what) {
    case 'step':
      return log.step(context, String(first));
    case 'info':
      return log.info(context, String(first));
    case 'notice':
      return log.notice(context, String(first), String(second));
    case 'filtered':
      return log.printed(context, first === 'stderr' ? 'stderr' : 'stdout', String(second));
    case 'progress': {
      const total = typeof third === 'number' ? third : undefined;
      return log.progress(context, String(first), Number(second), total, fourth === 'bytes' ? 'bytes' : 'items');
    }
    default:
      throw new TypeError(`the log has no method ${String(what)}`);
  }
}
