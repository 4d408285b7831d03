// Executes one action, in memory or on disk. Starts again if another node caused the failure.

import { isForMemory, isNearlyFull } from '../app/view-place.js';
import { fail, hasCode, type Result } from '../failure.js';
import { endedOrGivenUp } from '../process/stopping.js';
import { stopWith, type Stop } from '../run/node-end.js';
import type { Action } from './action.js';
import { contextOf } from './context.js';
import { runRemotely } from './execute-remotely.js';
import type { Execution } from './execution.js';
import { NodeHandle } from './node-handle.js';
import { resultOf, type Executed } from './outputs.js';
import { endedEarly, timeLimit } from './time-limit.js';
import { runInFolder, type Watch } from './work.js';

/** About the size of the largest tools. */
const TOOL_BYTES = 64 * 1024 * 1024;
/** More often than a plugin's process can be interrupted. */
const MOST_INTERRUPTIONS = 6;

type Performed = Result<Executed, Stop>;

export async function runAction(execution: Execution, action: Action, watch: Watch): Promise<Performed> {
  for (let attempt = 1; ; attempt++) {
    const done = await runOnce(execution, action, watch);
    // Another node ended the process that its plugin shares. After some attempts, the node has a process to itself.
    const isOthersFault =
      !done.ok && done.failure.type === 'failed' && hasCode(done.failure.failure, 'plugin::interrupted');
    if (!isOthersFault || execution.stopping.signal.aborted || attempt === MOST_INTERRUPTIONS) return done;
  }
}

async function runOnce(execution: Execution, action: Action, watch: Watch): Promise<Performed> {
  const { run, folders, stopping } = execution;
  if (action.isPure) {
    watch.onWork();
    return runPure(execution, action);
  }
  const remote = await runRemotely(execution, action, watch);
  if (remote !== undefined) return remote;
  const bytes = action.viewBytes + Object.keys(action.tools).length * TOOL_BYTES;
  // Effects elsewhere must not happen twice, so there is no second attempt.
  const isOnce = action.reads.sideEffects === true;
  const places = { smallDir: () => folders.smallDir(), largeDir: () => folders.largeDir() };
  if (!isForMemory({ bytes, isOnce }, run.request.settings['VIEWS'], places)) {
    return runInFolder(execution, action, { watch, parent: folders.largeDir() });
  }
  const memory = folders.smallDir();
  let isFull = false;
  const done = await runInFolder(execution, action, {
    watch,
    parent: memory,
    beforeRemoval: () => {
      isFull = isNearlyFull(memory);
    },
  });
  if (done.ok || !isFull || isOfLimit(done.failure) || stopping.signal.aborted || memory === folders.largeDir()) {
    return done;
  }
  tellMemoryFull(execution, action, isOnce);
  return isOnce ? done : runInFolder(execution, action, { watch, parent: folders.largeDir() });
}

const isOfLimit = (stop: Stop): boolean => stop.type === 'failed' && hasCode(stop.failure, 'node::limit');

function tellMemoryFull({ sink }: Execution, { node }: Action, isOnce: boolean): void {
  const next = isOnce
    ? 'It has side effects, so pyflow does not run it again. Set PYFLOW_VIEWS=disk to keep the files of nodes on disk.'
    : 'pyflow runs it again with its files on disk.';
  const text = `The files of node ${node.id} filled the in-memory file system. ${next}`;
  sink.emit({ type: 'notice', code: 'node::memory-full', node: node.id, text });
}

/** What an action without files and commands needs. */
export type PureExecution = Pick<Execution, 'run' | 'sink' | 'stopping' | 'secrets'>;

export async function runPure(execution: PureExecution, action: Action): Promise<Performed> {
  const startedAt = performance.now();
  const { run, sink, stopping } = execution;
  const handle = new NodeHandle({
    node: action.node.id,
    session: undefined,
    network: false,
    sink,
    secrets: run.secrets,
  });
  const paths = { app: '', scratch: '', cache: '', given: '', tools: {} };
  const limit = timeLimit(action, [stopping.signal]);
  const context = contextOf(execution, action, {
    handle,
    signal: limit.signal,
    folders: paths,
    paths,
    keptCache: 'open',
  });
  const work = action.plugin.run({ config: action.node.config as never, inputs: action.inputs as never }, context);
  const output = await endedOrGivenUp(work, limit.signal).finally(() => limit.end());
  if (output === undefined || limit.signal.aborted) return fail(endedEarly(limit.signal, output));
  if (!output.ok) return stopWith(output.failure);
  return resultOf(run, action, { handle, output: output.value, startedAt });
}
