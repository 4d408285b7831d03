// Runs an action on a worker of the remote server, if it can run there: same key, same result as here.

import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fail, succeed, type Result } from '../failure.js';
import { digestOf, type Digest } from '../files/digest.js';
import type { BlobSource } from '../remote/blob-writer.js';
import type { ExecutedRemotely, RemoteExecutor } from '../remote/remote-executor.js';
import { notExecuted, ranHere } from '../remote/remote-words.js';
import { isWorkersOwn, UNNAMED, type WorkerMessage } from '../remote/worker-message.js';
import { ABORTED, failed, stopOf, stopWith, type Stop } from '../run/node-end.js';
import type { ActionResult } from '../store/store.js';
import { directoriesOf } from '../trees/directories.js';
import { encodeDirectory } from '../trees/reapi.js';
import type { Directory } from '../trees/tree.js';
import { searchPathsOf, type Action } from './action.js';
import type { Execution } from './execution.js';
import type { ActionMessages } from './key.js';
import { logLinesIn } from './log-lines.js';
import { isForced } from './look-up.js';
import { withTrees, type Executed } from './outputs.js';
import { holdsSecret, staysHere } from './remote.js';
import { timedOut } from './time-limit.js';
import type { Watch } from './work.js';
import { undeclaredWrite } from './written-paths.js';

type Performed = Result<Executed, Stop>;

/** Undefined if the action has to run here. */
export async function runRemotely(execution: Execution, action: Action, watch: Watch): Promise<Performed | undefined> {
  const { run, stopping } = execution;
  const executor = run.remote?.executor;
  if (executor === undefined || !mayTravel(execution, action)) return undefined;
  if (executor.off !== undefined && executor.settings.require) return here(execution, action, executor.off.message);
  if (!executor.isOn) return undefined;
  const sent = packed(execution, action, executor);
  if (sent === undefined) return undefined;
  const { timeoutMs } = action.node;
  const executed = await executor.execute(
    {
      ...sent,
      skipCacheLookup: isForced(execution.forced, action) || mayNotUseStored(action, executor),
      signal: stopping.signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      onExecuting: () => watch.onWork(),
    },
    run.store,
  );
  return endOf(execution, action, executed, watch);
}

/** Whether a worker, which has neither the network nor anything of this app but its inputs, can run the action. */
function mayTravel({ run }: Execution, { node, plugin, reads, record, env, lookedUp, inherited }: Action): boolean {
  if (node.network || node.limits !== undefined || node.cache === 'never') return false;
  if (record.code !== undefined || staysHere(record) || inherited !== undefined) return false;
  if (reads.sideEffects === true || (reads.env ?? []).length > 0) return false;
  if ([...lookedUp].some((name) => run.surroundings.variables[name] !== undefined)) return false;
  return Object.keys(env).every((name) => !isWorkersOwn(name)) && Object.keys(searchPathsOf(run, plugin)).length === 0;
}

/**
 * The look-up has refused what the server has stored: unsigned, or too old for the node. The executor would hand out the same, as if
 * a worker had just made it.
 */
const mayNotUseStored = ({ node }: Action, { settings }: RemoteExecutor): boolean =>
  settings.trust.length > 0 || typeof node.cache === 'object';

interface Packed {
  readonly key: ActionMessages['key'];
  readonly inputs: readonly Digest[];
  readonly source: BlobSource;
}

/** The inputs of the action; undefined if they can't leave this machine, or a worker would lay them out in another way. */
function packed({ run }: Execution, action: Action, { settings }: RemoteExecutor): Packed | undefined {
  const [scope] = settings.scopes;
  const { key, blobs } = action.messages({
    ...(scope === undefined || scope.salt === '' ? {} : { branch: scope.salt }),
    platform: settings.platform,
  });
  if (holdsSecret(run, action, blobs)) return undefined;
  const directories = new Map<Digest, Directory>();
  const inputs = new Set<Digest>();
  for (const root of [action.viewRoot, ...Object.values(action.tools)]) {
    for (const [digest, directory] of directoriesOf(run.layers.table, root)) {
      if (directory.mode !== undefined) return undefined;
      directories.set(digest, directory);
      inputs.add(digest);
      for (const file of directory.files) {
        if (file.mode !== undefined) return undefined;
        inputs.add(file.digest);
      }
    }
  }
  // The Action is the last of them.
  for (const digest of blobs.keys()) inputs.delete(digest);
  return { key, inputs: [...inputs, ...blobs.keys()], source: sourceOf(run.store, action, { blobs, directories }) };
}

function sourceOf(
  store: Execution['run']['store'],
  { sources }: Action,
  made: { readonly blobs: ActionMessages['blobs']; readonly directories: ReadonlyMap<Digest, Directory> },
): BlobSource {
  return {
    async read(digest) {
      const blob = made.blobs.get(digest);
      if (blob !== undefined) return blob;
      const directory = made.directories.get(digest);
      if (directory !== undefined) return encodeDirectory(directory);
      const path = sources.get(digest);
      if (path === undefined) return store.read(digest);
      const bytes = await readFile(path).catch(() => undefined);
      return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined;
    },
    async *chunks(digest) {
      const path = sources.get(digest);
      if (path === undefined) await store.prefetch([digest]);
      yield* path === undefined ? store.chunks(digest) : createReadStream(path, { highWaterMark: 1024 ** 2 });
    },
  };
}

async function endOf(
  execution: Execution,
  action: Action,
  executed: ExecutedRemotely,
  watch: Watch,
): Promise<Performed | undefined> {
  const { run, stopping } = execution;
  switch (executed.type) {
    case 'aborted':
      return fail(stopping.signal.aborted ? stopOf(stopping.signal) : ABORTED);
    case 'timeout':
      return stopWith(timedOut(action.node, action.node.timeoutMs ?? 0));
    case 'not-run':
      return here(execution, action, executed.why);
    case 'failed':
      return failedThere(execution, action, { ...executed, watch });
    case 'done':
      break;
  }
  const { uncacheable } = executed;
  const log = named(executed.log, action);
  const result = withLog(run, executed.result, log);
  const { layer, tool } = result;
  for (const each of [layer, tool]) {
    if (each !== undefined && !(await run.layers.load(each))) return here(execution, action, 'its layer was lost');
  }
  if (result.builder !== undefined && result.builder !== run.builder.id)
    return here(execution, action, 'the worker has built it with other programs than this machine has');
  const outputs = withTrees(action, result.outputs, { layer, tool });
  if (!run.kinds.get(action.node.kind)!.validateOutputs(outputs))
    return here(execution, action, "its outputs don't match the schema of the kind");
  watch.onWork();
  print(execution, action, log);
  const undeclared = layer === undefined ? undefined : undeclaredWrite(run, action, layer);
  if (undeclared !== undefined) return stopWith(undeclared);
  return succeed({
    result: { ...result, outputs },
    isFromWorker: true,
    ...(uncacheable === undefined ? {} : { uncacheable }),
  });
}

interface FailedThere {
  readonly message: WorkerMessage;
  readonly log: Buffer | undefined;
  readonly watch: Watch;
}

function failedThere(
  execution: Execution,
  action: Action,
  { message, log, watch }: FailedThere,
): Performed | undefined {
  if (message.type === 'refused') return here(execution, action, `${message.failure.title}. ${message.failure.detail}`);
  if (message.type === 'lost-input') return here(execution, action, `the worker lacks an input: ${message.reason}`);
  // Like an action that may not travel, it runs here whatever the settings require. Such a result is rare, and known only now.
  if (message.type !== 'failed') return undefined;
  const { blame, title: what, detail: said } = message.failure;
  // A full disk or a bug there says nothing about the node.
  if (blame === 'environment' || blame === 'internal') return here(execution, action, `${what}. ${said}`);
  watch.onWork();
  print(execution, action, named(log, action));
  watch.onStatus(message.status);
  const name = (text: string): string => text.replaceAll(UNNAMED, action.node.id);
  const { failure } = message;
  const { title, detail, remedy } = failure;
  const ownWords = { ...failure, title: name(title), detail: name(detail), remedy: name(remedy) };
  return fail(failed(execution.run.secrets.maskFailure(ownWords)));
}

/** The log with the id of the node. */
function named(log: Buffer | undefined, { node }: Action): Buffer | undefined {
  if (log?.includes(UNNAMED) !== true) return log;
  return Buffer.from(log.toString('utf8').replaceAll(UNNAMED, node.id));
}

function withLog({ store }: Execution['run'], result: ActionResult, log: Buffer | undefined): ActionResult {
  if (log === undefined || result.log === undefined) return result;
  const digest = digestOf(log);
  store.write(digest, log);
  return { ...result, log: digest };
}

function here({ run }: Execution, { node }: Action, why: string): Performed | undefined {
  const { url, require } = run.remote!.settings;
  if (require) return stopWith(notExecuted(url, node.id, why));
  run.remote!.tell('remote::ran-here', ranHere(url, node.id, why));
  return undefined;
}

function print({ run, sink }: Execution, { node }: Action, log: Buffer | undefined): void {
  if (log === undefined) return;
  for (const { stream, text } of logLinesIn(log))
    sink.emit({ type: 'node-printed', node: node.id, replayed: false, stream, text: run.secrets.mask(text) });
}
