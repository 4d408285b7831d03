// Runs actions on the server's workers: brings the inputs there, waits, and checks what comes back. Never fails a node by itself:
// what the server can't do is done here.

import { digestOf, sizeOf, type ActionKey, type Digest } from '../files/digest.js';
import type { LocalStore } from '../store/local-store.js';
import type { ActionResult } from '../store/store.js';
import { checkForeignLayer } from '../trees/foreign-tree.js';
import { decodeActionResult, type ReapiResult } from '../trees/reapi-result.js';
import { BlobFetcher } from './blob-fetcher.js';
import { BlobSender } from './blob-sender.js';
import type { BlobSource } from './blob-writer.js';
import type { Off } from './breaker.js';
import { Connection, type OpenTransport } from './connection.js';
import { Running, type Ended, type RunningOptions } from './running.js';
import { envelopeOf, resultIn } from './remote-result.js';
import type { RemoteSettings } from './settings.js';
import { RemoteError, STATUS } from './transport.js';
import { parseWorkerMessage, type WorkerMessage } from './worker-message.js';
import { blobsToRead, inOwnForm } from './worker-result.js';

export interface RemoteExecutorOptions {
  readonly settings: RemoteSettings;
  readonly open: OpenTransport;
  readonly clock: { now(): number };
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal;
  /** Called once: no more actions are sent in this run. */
  readonly onOff: (error: RemoteError) => void;
}

export interface ActionToExecute extends RunningOptions {
  /** The Action last. */
  readonly inputs: readonly Digest[];
  readonly source: BlobSource;
}

export type ExecutedRemotely =
  | {
      readonly type: 'done';
      readonly result: ActionResult;
      readonly log: Buffer | undefined;
      /** The reason of a result that no store may keep. */
      readonly uncacheable?: string;
    }
  | { readonly type: 'failed'; readonly message: WorkerMessage; readonly log: Buffer | undefined }
  | { readonly type: 'timeout' }
  | { readonly type: 'aborted' }
  /** The server can't run it, or what it returned is of no use: it has to run here. */
  | { readonly type: 'not-run'; readonly why: string };

const MOST_STDERR_BYTES = 4 * 1024 ** 2;
const MOST_LOG_BYTES = 64 * 1024 ** 2;

export class RemoteExecutor {
  readonly #connection: Connection;
  readonly #fetcher: BlobFetcher;
  readonly #sender: BlobSender;
  #off: RemoteError | undefined;

  constructor(private readonly options: RemoteExecutorOptions) {
    const { settings, open, signal } = options;
    this.#connection = new Connection({ settings, open, signal, onOff: (what, error) => this.#turnOff(what, error) });
    this.#fetcher = new BlobFetcher(this.#connection);
    this.#sender = new BlobSender(this.#connection, settings.instance);
  }

  get isOn(): boolean {
    return !this.#connection.isOff('read');
  }

  /** Why no more actions are sent; undefined if they are. */
  get off(): RemoteError | undefined {
    return this.#off;
  }

  #turnOff(what: Off, error: RemoteError): void {
    // Workers store their results themselves, whatever this client may write.
    if (what !== 'all') return;
    this.#off = error;
    this.options.onOff(error);
  }

  get settings(): RemoteSettings {
    return this.options.settings;
  }

  async execute(action: ActionToExecute, store: LocalStore): Promise<ExecutedRemotely> {
    const ended = await this.#run(action);
    if (ended.type !== 'ended') return isResult(ended) ? ended : notRun(ended.error);
    const read = await this.#read(ended.result, store, action.key);
    const isInputLost = read.type === 'failed' && read.message.type === 'lost-input';
    if (!isInputLost && (read.type !== 'not-run' || !ended.isCached)) return read;
    // What the server has kept may be lost or invalid in part, or not be from a worker at all.
    if (isInputLost) this.#sender.forget(action.inputs);
    const anew = await this.#run({ ...action, skipCacheLookup: true });
    if (anew.type !== 'ended') return isResult(anew) ? anew : notRun(anew.error);
    return this.#read(anew.result, store, action.key);
  }

  async #run(action: ActionToExecute): Promise<Exclude<Ended, { type: 'missing-input' }>> {
    const { instance } = this.settings;
    const { inputs, source } = action;
    for (let round = 1; round <= 2; round++) {
      const failed = await this.#sender.send(inputs, source);
      if (action.signal.aborted) return { type: 'aborted' };
      if (failed !== undefined) return { type: 'error', error: failed };
      const ended = await new Running(this.#connection, instance, action).end();
      // A plain cache. No other action needs to send its inputs to learn that.
      if (ended.type === 'error' && ended.error.status === STATUS.UNIMPLEMENTED) this.#connection.giveUp(ended.error);
      if (ended.type !== 'missing-input') return ended;
      // Whatever the server names, all is sent again that it lacks.
      this.#sender.forget(inputs);
    }
    return { type: 'error', error: missing };
  }

  async #read(bytes: Uint8Array, store: LocalStore, key: ActionKey): Promise<ExecutedRemotely> {
    const message = decodeActionResult(bytes);
    if (message === undefined) return unusable('the server sent an invalid result');
    if (message.exitCode === 0) return this.#readResult(message, { store, key });
    const stderr = await this.#textOf(message.stderrRaw, message.stderr, MOST_STDERR_BYTES);
    const said = stderr && parseWorkerMessage(stderr.toString('utf8'));
    if (said === undefined) return unusable(whyNoWorker(message.exitCode, stderr));
    if (said.type !== 'kept-back') {
      const log = await this.#textOf(message.stdoutRaw, message.stdout, MOST_LOG_BYTES);
      return { type: 'failed', message: said, log };
    }
    const done = await this.#readResult({ ...message, exitCode: 0 }, { store, key });
    const { uncacheable } = said;
    return done.type !== 'done' || uncacheable === undefined ? done : { ...done, uncacheable };
  }

  async #textOf(inline: Uint8Array | undefined, digest: Digest | undefined, most: number): Promise<Buffer | undefined> {
    const apart = textApart(inline, digest, most);
    return textIn(inline, apart, await this.#fetcher.fetchBytes(apart, this.settings.instance));
  }

  /** Checks the result as if it came from any server, and fetches all that it names. */
  async #readResult(
    given: ReapiResult,
    { store, key }: { readonly store: LocalStore; readonly key: ActionKey },
  ): Promise<ExecutedRemotely> {
    const { instance } = this.settings;
    // All that can be read before the trees are known, in one call.
    const logApart = textApart(given.stdoutRaw, given.stdout, MOST_LOG_BYTES);
    const early = new Set([...blobsToRead(given, this.#connection.batchBytes), ...logApart]);
    const read = await this.#fetcher.fetchBytes([...early], instance);
    const log = textIn(given.stdoutRaw, logApart, read);
    const own = inOwnForm(given, read);
    if (own === undefined) return unusable('a folder of the result is missing or invalid');
    // An executor is trusted to run what it is told, as this machine is: nobody has signed its result yet.
    const envelope = envelopeOf(key, own.message, []);
    if (!envelope.ok) return unusable(envelope.failure.detail);
    const { resultFile } = envelope.value;
    if (sizeOf(resultFile) > this.#connection.batchBytes) return unusable('its result.json is too large');
    const contents = envelope.value.contents ?? read.get(resultFile);
    if (contents === undefined) return unusable('its result.json is missing');
    const result = resultIn(envelope.value, contents, this.options.clock.now());
    if (!result.ok) return unusable(result.failure.detail);
    const files = new Set<Digest>();
    for (const layer of [result.value.layer, result.value.tool]) {
      if (layer === undefined) continue;
      const checked = await checkForeignLayer({ read: async (digest) => own.blobs.get(digest) }, layer);
      if ('problem' in checked) return unusable(checked.problem);
      for (const digest of checked.files) files.add(digest);
    }
    const left = await this.#fetcher.fetch(store, files, instance);
    if (left.size > 0) return unusable(`the server lacks ${left.size} of its files`);
    for (const [digest, blob] of own.blobs) store.write(digest, blob);
    if (result.value.log !== undefined && (log === undefined || digestOf(log) !== result.value.log))
      return unusable('its log is missing');
    return { type: 'done', result: result.value, log };
  }

  close(): void {
    this.#connection.close();
  }
}

/** The digest of a text that the answer doesn't contain itself. */
const textApart = (inline: Uint8Array | undefined, digest: Digest | undefined, most: number): readonly Digest[] =>
  (inline !== undefined && inline.length > 0) || digest === undefined || sizeOf(digest) === 0 || sizeOf(digest) > most
    ? []
    : [digest];

function textIn(
  inline: Uint8Array | undefined,
  [apart]: readonly Digest[],
  read: ReadonlyMap<Digest, Buffer>,
): Buffer | undefined {
  if (inline !== undefined && inline.length > 0) return Buffer.from(inline);
  return apart === undefined ? undefined : read.get(apart);
}

const isResult = (ended: Ended): ended is Extract<Ended, { type: 'timeout' | 'aborted' }> =>
  ended.type === 'timeout' || ended.type === 'aborted';
const notRun = ({ message }: RemoteError): ExecutedRemotely => ({ type: 'not-run', why: message });
const unusable = (detail: string): ExecutedRemotely => ({ type: 'not-run', why: detail });
const missing = new RemoteError(STATUS.FAILED_PRECONDITION, 'Execute', 'the server loses the inputs of the action');

/** A worker without pyflow-node: its shell or its sandbox says so in its own words. */
function whyNoWorker(exitCode: number, stderr: Buffer | undefined): string {
  const said = stderr?.toString('utf8').trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  return `the worker did not run pyflow-node (exit status ${exitCode}${said === '' ? '' : `: ${said}`})`;
}
