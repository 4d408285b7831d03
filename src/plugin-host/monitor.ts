// A thread that can tell what the main thread is doing when it no longer responds: its line, and the call that it works for.

import { Session, type Debugger } from 'node:inspector';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { encodeFrame, FrameReader } from '../engine/outside/frames.js';
import { MONITOR_DESCRIPTOR, type Seen } from '../engine/outside/protocol.js';
import { current } from './calls.js';
import { placeIn } from './thrown.js';

/** Global under which the main thread publishes its current call. */
const KEY = 'pyflow.currentCall';
const MOST_FRAMES = 50;

export function startMonitor(pluginFile: string): void {
  Object.defineProperty(globalThis, Symbol.for(KEY), { value: () => current.getStore()?.id });
  const worker = new Worker(new URL(import.meta.url), { workerData: { pluginFile }, stdout: false, execArgv: [] });
  // Without the thread, a hang is reported without its line.
  worker.on('error', () => {});
  worker.unref();
}

export function runMonitor(pluginFile: string): void {
  const socket = new Socket({ fd: MONITOR_DESCRIPTOR });
  const reader = new FrameReader(1024);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) =>
    reader.push(chunk, () => {
      look(pluginFile, (seen) => void socket.write(encodeFrame(seen)));
      return true;
    }),
  );
}

/** Pauses the main thread for good, since its process is killed after this. */
function look(pluginFile: string, tell: (seen: Seen) => void): void {
  const session = new Session();
  session.connectToMainThread();
  const files = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params }) => void files.set(params.scriptId, params.url));
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    const stack = callFrames.slice(0, MOST_FRAMES).map((frame) => lineOf(frame, files));
    const place = placeIn(stack.join('\n'), pluginFile);
    const at = place === undefined ? {} : { place };
    const [top] = callFrames;
    if (top === undefined) return tell(at);
    session.post(
      'Debugger.evaluateOnCallFrame',
      {
        callFrameId: top.callFrameId,
        expression: `globalThis[Symbol.for(${JSON.stringify(KEY)})]()`,
        returnByValue: true,
        silent: true,
      },
      (_error, done) => {
        const id: unknown = done?.result?.value;
        tell({ ...at, ...(typeof id === 'string' ? { id } : {}) });
      },
    );
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

const lineOf = ({ url, location }: Debugger.CallFrame, files: ReadonlyMap<string, string>): string =>
  `at (${url || files.get(location.scriptId) || ''}:${location.lineNumber + 1}:1)`;
