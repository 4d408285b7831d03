#!/usr/bin/env node
// The program that a remote executor runs for each action: `pyflow-node 1` in the action's input root. It prints the node's log
// as lines of JSON on stdout, and on stderr only what engine/remote/worker-message.ts defines.

import { composeFor } from '../composition.js';
import { runWorker } from '../engine/worker/worker.js';
import { encodeWorkerMessage } from '../engine/remote/worker-message.js';

/** Filled in by scripts/build.mjs. */
declare const PYFLOW_VERSION: string | undefined;
const version = typeof PYFLOW_VERSION === 'string' ? PYFLOW_VERSION : 'development';

const INTERNAL_STATUS = 70;

async function main(): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  // Files that others can't read would be no use to the executor.
  process.umask(0o022);
  const { status, message } = await runWorker({
    protocol: process.argv[2] ?? '',
    root: process.cwd(),
    env: process.env,
    compose: composeFor(process.env),
    version,
    signal: interrupted.signal,
    print: (line) => void process.stdout.write(line),
  });
  if (message !== undefined) process.stderr.write(encodeWorkerMessage(message));
  return status;
}

function describeBug(error: unknown): number {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const failure = {
    code: 'internal-error::worker',
    blame: 'internal',
    title: 'pyflow-node failed unexpectedly',
    detail,
    remedy: 'This is a bug in pyflow. Please report it with the output.',
  } as const;
  process.stderr.write(encodeWorkerMessage({ type: 'failed', failure, status: 0 }));
  return INTERNAL_STATUS;
}

const drained = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => void stream.write('', () => resolve()));

void main()
  .catch(describeBug)
  .then(async (status) => {
    await Promise.all([process.stdout, process.stderr].map(drained));
    process.exit(status);
  });
