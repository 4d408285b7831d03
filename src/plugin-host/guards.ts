// Observes what plugin code does to the process: its output goes to the node's log, and pyflow is told before the code ends
// the process.

import { readFileSync } from 'node:fs';
import { current, currentId } from './calls.js';
import { say } from './channel.js';
import { describeThrown, placeIn } from './thrown.js';

const MOST_LINE = 64 * 1024;

type Write = NodeJS.WriteStream['write'];

export function installGuards(pluginFile: string): void {
  catchOutput('stdout');
  catchOutput('stderr');
  catchEnds(pluginFile);
  const onThrown = (error: unknown): void => {
    const id = current.getStore()?.id ?? currentId().id;
    say({ type: 'threw', id: id ?? '', thrown: describeThrown(error, pluginFile), late: true });
  };
  process.on('uncaughtException', onThrown);
  process.on('unhandledRejection', onThrown);
}

function catchOutput(stream: 'stdout' | 'stderr'): void {
  const rests = new Map<string, string>();
  const write = (chunk: unknown, encoding?: unknown, done?: unknown): boolean => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString('utf8');
    const { id = '' } = currentId();
    const lines = `${rests.get(id) ?? ''}${text}`.split('\n');
    const rest = lines.pop() ?? '';
    // A very long line is printed in pieces, even without a line end.
    if (rest.length > MOST_LINE) lines.push(rest);
    if (rest === '' || rest.length > MOST_LINE) rests.delete(id);
    else rests.set(id, rest);
    for (const line of lines)
      for (let at = 0; at === 0 || at < line.length; at += MOST_LINE)
        say({ type: 'printed', ...(id === '' ? {} : { id }), stream, text: line.slice(at, at + MOST_LINE) });
    const callback = typeof encoding === 'function' ? encoding : done;
    if (typeof callback === 'function') callLater(callback as () => void);
    return true;
  };
  Object.defineProperty(process[stream], 'write', { value: write as Write });
  flushers.push((id) => {
    const rest = rests.get(id);
    rests.delete(id);
    if (rest !== undefined) say({ type: 'printed', ...(id === '' ? {} : { id }), stream, text: rest });
  });
}

/** Callbacks of finished writes, with how often each is due. */
const due = new Map<() => void, number>();

/**
 * `console` passes the same callback with every write. A loop that prints without a pause never gets to its microtasks, and one
 * for each write would fill the memory that the plugin may use.
 */
function callLater(callback: () => void): void {
  if (due.size === 0) queueMicrotask(callDue);
  due.set(callback, (due.get(callback) ?? 0) + 1);
}

function callDue(): void {
  const calls = [...due];
  due.clear();
  for (const [callback, times] of calls) for (let count = 0; count < times; count++) callback();
}

const flushers: ((id: string) => void)[] = [];

/** Prints what a call printed without a line end. */
export const flushOutput = (id: string): void => flushers.forEach((flush) => flush(id));

function groupOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    return pid;
  }
}

function catchEnds(pluginFile: string): void {
  const tellExit = (how: string): void => {
    const place = placeIn(new Error().stack ?? '', pluginFile);
    say({ type: 'exiting', ...currentId(), how, ...(place === undefined ? {} : { place }) });
  };
  const own = process as unknown as Record<string, (...given: never[]) => unknown>;
  let isTold = false;
  for (const name of ['exit', 'reallyExit', 'abort'] as const) {
    const real = own[name]!.bind(process);
    own[name] = (...given: never[]) => {
      if (!isTold) tellExit(`process.${name}(${given.map(String).join(', ')})`);
      isTold = true;
      return real(...given);
    };
  }
  const pyflow = new Set([process.ppid, groupOf(process.ppid)]);
  const kill = process.kill.bind(process);
  process.kill = (pid: number, signal?: string | number) => {
    if (pyflow.has(Math.abs(pid)) && signal !== 0)
      throw Object.assign(new Error('kill EPERM: a plugin must not send signals to pyflow'), { code: 'EPERM' });
    const isOwn = pid === 0 || pid === process.pid || pid === -process.pid;
    // -1 means all processes of the user, including pyflow.
    if (pid === -1)
      throw Object.assign(new Error('kill EPERM: a plugin must not end all processes'), { code: 'EPERM' });
    if (isOwn && signal !== 0) tellExit(`process.kill(${pid}, ${JSON.stringify(signal ?? 'SIGTERM')})`);
    return kill(pid, signal);
  };
  // Hides the parent, which is pyflow. The property must be deleted first, because redefining it has no effect.
  Reflect.deleteProperty(process, 'ppid');
  Object.defineProperty(process, 'ppid', { value: process.pid });
}
