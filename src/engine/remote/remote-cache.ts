// The remote cache of a run, behind the local store. Never fails a node: what it can't do counts as a miss.

import type { RemoteReport } from '../events.js';
import type { Failure } from '../failure.js';
import { sizeOf, type ActionKey, type Digest } from '../files/digest.js';
import type { BlobSupplier, LocalStore } from '../store/local-store.js';
import type { StoredResult } from '../store/results.js';
import type { ActionResult, KeyRecord } from '../store/store.js';
import { checkForeignLayer, MOST_TREE_BYTES } from '../trees/foreign-tree.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import type { Layer } from '../trees/tree.js';
import { BlobFetcher } from './blob-fetcher.js';
import type { Off } from './breaker.js';
import { Connection, type OpenTransport } from './connection.js';
import { openEnvelope, resultIn, type Envelope, type Refused } from './remote-result.js';
import type { RemoteScope, RemoteSettings } from './settings.js';
import { Slots } from './slots.js';
import { OWN_WORKER } from './upload.js';
import { RemoteError, STATUS } from './transport.js';
import { RemoteExecutor } from './remote-executor.js';
import { goesOn, notTrusted, notUploaded, notValid, runsHere, uploadsNoMore, unavailable } from './remote-words.js';
import { UploadQueue, type Upload } from './upload-queue.js';
import { treesToRead, inOwnForm } from './worker-result.js';

export interface RemoteCacheOptions {
  readonly settings: RemoteSettings;
  readonly open: OpenTransport;
  readonly clock: { now(): number };
  /** Aborts when the run is interrupted. */
  readonly signal: AbortSignal;
  readonly onNotice: (code: string, text: string) => void;
}

export interface RemoteQuery {
  /** Key of the action in a set of results. */
  readonly keyIn: (scope: RemoteScope) => ActionKey;
  /** Whether these are outputs of the node's kind. */
  readonly hasValidOutputs: (result: ActionResult) => boolean;
  /** Whether the result is young enough for the node. */
  readonly isFresh: (result: ActionResult) => boolean;
  /** What the key is made from. */
  readonly record: KeyRecord;
}

/** A result whose every part is checked, except for files that have not been fetched. */
export interface RemoteHit {
  readonly result: ActionResult;
  /** Trees, and the log if it came with the answer. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  readonly files: readonly Digest[];
  /** `instance_name` of the server where the blobs are. */
  readonly instance: string;
}

const LOOKUPS_AT_ONCE = 100;
const LOOKUP_MS = 3000;
/** Larger logs are fetched only when something shows them. */
const MOST_EARLY_LOG_BYTES = 1024 ** 2;
/** What is fetched at the end of a run to complete results. */
const MOST_REMAINDER_BYTES = 1024 ** 2;
/** After a loss was found this often, the server can't be relied on in this run. */
const MOST_LOSSES = 2;

export class RemoteCache implements BlobSupplier {
  /** Undefined if nodes don't run on the server's workers. */
  readonly executor: RemoteExecutor | undefined;
  readonly #connection: Connection;
  readonly #fetcher: BlobFetcher;
  readonly #uploads: UploadQueue;
  readonly #slots = new Slots(LOOKUPS_AT_ONCE);
  /** Results that this run has found, by the key on this machine. Their blobs are in the store. */
  readonly #hits = new Map<ActionKey, Omit<RemoteHit, 'blobs'> & { readonly record: KeyRecord }>();
  /** Blobs that those results name -> `instance_name` of the server where they are. */
  readonly #named = new Map<Digest, string>();
  /** Keys on this machine for which the server had nothing. A node can ask for two results under one of them. */
  readonly #missed = new Set<ActionKey>();
  readonly #told = new Set<string>();
  #store: LocalStore | undefined;
  #losses = 0;
  #off: { readonly what: Off; readonly error: RemoteError } | undefined;

  constructor(private readonly options: RemoteCacheOptions) {
    const { settings, open, signal } = options;
    this.#connection = new Connection({ settings, open, signal, onOff: (what, error) => this.#onOff(what, error) });
    this.#fetcher = new BlobFetcher(this.#connection);
    this.#uploads = new UploadQueue(this.#connection, settings.instance, () => this.#attached);
    const onExecutionOff = (error: RemoteError): void =>
      this.tell('remote::execution-off', runsHere(settings.url, error));
    this.executor = settings.execute ? new RemoteExecutor({ ...options, onOff: onExecutionOff }) : undefined;
  }

  get settings(): RemoteSettings {
    return this.options.settings;
  }

  /** The store that blobs go to and come from: that of the current attempt of the run. */
  attach(store: LocalStore): void {
    this.#store = store;
  }

  get #attached(): LocalStore {
    if (this.#store === undefined) throw new Error('the remote cache has no local store');
    return this.#store;
  }

  get isReading(): boolean {
    return !this.#connection.isOff('read');
  }

  get isWriting(): boolean {
    return this.settings.write && !this.#connection.isOff('write');
  }

  /** Why the run has to fail, if it requires the server and can't use it. */
  get failure(): Failure | undefined {
    const { require, url } = this.settings;
    return require && this.#off !== undefined ? unavailable(url, this.#off.error) : undefined;
  }

  /**
   * Asks all sets of results at once; the first of them that has a result wins. `key` is the one on this machine. `others`:
   * further actions of a server that have the same one.
   */
  async lookUp(key: ActionKey, query: RemoteQuery, ...others: readonly RemoteQuery[]): Promise<RemoteHit | undefined> {
    if (!this.isReading) return undefined;
    const known = this.#hits.get(key);
    if (known !== undefined && !this.#isLost(known) && this.#hasTrees(known)) return { ...known, blobs: new Map() };
    const found = await Promise.all(
      this.settings.scopes.flatMap((scope) => [query, ...others].map((one) => this.#lookUpIn(scope, one))),
    );
    const hit = found.find((one) => one !== undefined && !this.#isLost(one));
    if (hit === undefined) {
      this.#missed.add(key);
      return undefined;
    }
    this.#missed.delete(key);
    const { result, files, instance } = hit;
    this.#hits.set(key, { result, files, instance, record: query.record });
    const { log } = result;
    for (const digest of log === undefined ? files : [...files, log]) this.#named.set(digest, instance);
    return hit;
  }

  /** Not if the store of an earlier attempt had them, and could not write to the cache. */
  #hasTrees({ result }: Pick<RemoteHit, 'result'>): boolean {
    return this.#attached.missingOf(layersOf(result).map(({ tree }) => tree)).length === 0;
  }

  /** Whether it names something that the server turned out not to have. */
  #isLost({ files }: Pick<RemoteHit, 'files'>): boolean {
    const lost = files.filter((digest) => this.#fetcher.lost.has(digest));
    return lost.length > 0 && this.#attached.missingOf(lost).length > 0;
  }

  async #lookUpIn(scope: RemoteScope, query: RemoteQuery): Promise<RemoteHit | undefined> {
    const key = query.keyIn(scope);
    const { instance } = scope;
    const asked = await this.#slots.use(() =>
      this.#connection.call('read', LOOKUP_MS, ({ transport, ...limits }) =>
        transport.forInstance(instance).getResult({ key, inlineOutputFiles: [OUTPUT_PATHS.result] }, limits),
      ),
    );
    if (!asked.ok || asked.value === undefined) return undefined;
    const envelope = openEnvelope(key, asked.value, this.settings.trust);
    if (!envelope.ok) return this.#refuse(envelope.failure);
    const contents = envelope.value.contents ?? (await this.#fetchSmall(envelope.value.resultFile, instance));
    if (contents === undefined) return undefined;
    const form = await this.#inOwnForm(envelope.value, contents, instance);
    const result = resultIn(form, contents, this.options.clock.now());
    if (!result.ok) return this.#refuse(result.failure);
    if (!query.hasValidOutputs(result.value)) return this.#refuse(wrongOutputs);
    return query.isFresh(result.value) ? this.#withTrees(form, result.value, instance) : undefined;
  }

  /** Executors store what their workers return, in a form of their own. A machine of pyflow names itself as the worker. */
  async #inOwnForm(envelope: Envelope, contents: Buffer, instance: string): Promise<Envelope> {
    const { message, inline } = envelope;
    if (message.metadata?.worker === OWN_WORKER || resultIn(envelope, contents, Infinity).ok) return envelope;
    const own = inOwnForm(message, await this.#fetcher.fetchBytes(treesToRead(message), instance));
    return own === undefined
      ? envelope
      : { ...envelope, message: own.message, inline: new Map([...inline, ...own.blobs]) };
  }

  #refuse({ why, detail }: Refused): undefined {
    if (why === 'invalid') this.#notice('remote::invalid-result', notValid(this.settings.url, detail));
    else this.#notice('remote::untrusted-result', notTrusted(this.settings.url, detail));
  }

  async #fetchSmall(digest: Digest, instance: string): Promise<Buffer | undefined> {
    await this.#connection.whenReady();
    if (sizeOf(digest) > this.#connection.batchBytes) return undefined;
    return (await this.#fetcher.readBatch([digest], instance)).get(digest);
  }

  /** Fetches the trees and the log, unless they came with the answer or are here, and checks the trees. */
  async #withTrees({ inline }: Envelope, result: ActionResult, instance: string): Promise<RemoteHit | undefined> {
    const layers = layersOf(result);
    if (layers.some(({ tree }) => sizeOf(tree) > MOST_TREE_BYTES)) return this.#refuse(hugeTree);
    const log = result.log !== undefined && sizeOf(result.log) <= MOST_EARLY_LOG_BYTES ? [result.log] : [];
    const wanted = [...layers.map(({ tree }) => tree), ...log];
    const blobs = new Map(wanted.flatMap((digest) => pair(digest, inline.get(digest))));
    const absent = this.#attached.missingOf(wanted.filter((digest) => !blobs.has(digest)));
    for (const [digest, bytes] of await this.#fetcher.fetchBytes(absent, instance)) blobs.set(digest, bytes);
    const files = new Set<Digest>();
    for (const layer of layers) {
      const store = this.#attached;
      const checked = await checkForeignLayer(
        { read: async (digest) => blobs.get(digest) ?? store.read(digest) },
        layer,
      );
      // A tree that didn't arrive is no fault of the result.
      if ('problem' in checked)
        return absent.every((digest) => blobs.has(digest)) ? this.#refuse(bad(checked.problem)) : undefined;
      for (const digest of checked.files) files.add(digest);
    }
    return { result, blobs, files: [...files], instance };
  }

  mayHave(digest: Digest): boolean {
    return this.#named.has(digest) && !this.#fetcher.lost.has(digest) && this.isReading;
  }

  async supply(digests: readonly Digest[]): Promise<void> {
    const byInstance = new Map<string, Digest[]>();
    for (const digest of digests) {
      const instance = this.#named.get(digest) ?? this.settings.instance;
      const some = byInstance.get(instance);
      if (some === undefined) byInstance.set(instance, [digest]);
      else some.push(digest);
    }
    const fetches = [...byInstance].map(([instance, some]) => this.#fetcher.fetch(this.#attached, some, instance));
    await Promise.all(fetches);
  }

  /**
   * Called when the run has missed something. Fetches what the results of this run name, so that all that is lost is known.
   * After some losses, the run continues without the server.
   */
  async findLost(): Promise<void> {
    if (this.#fetcher.lost.size === 0) return;
    this.#losses++;
    if (this.#losses >= MOST_LOSSES) this.#connection.giveUp(losesBlobs);
    else await this.supply([...this.#named.keys()].filter((digest) => this.mayHave(digest)));
  }

  /**
   * Publishes the results all of whose blobs are here now, because the local store promises that for its results. With
   * `isAllNeeded`, first fetches what no node has needed, such as tools.
   */
  async publishComplete(isAllNeeded: boolean): Promise<void> {
    await this.#fetchRemainders(isAllNeeded ? Infinity : MOST_REMAINDER_BYTES);
    const store = this.#attached;
    for (const [key, hit] of this.#hits) {
      // A result that this run could not use, such as an expired one, does not count.
      const isSame = ({ result }: StoredResult): boolean =>
        result.appId === undefined &&
        result.degraded === undefined &&
        result.builder === hit.result.builder &&
        result.storedAt >= hit.result.storedAt;
      const isNew = this.#missingOf(hit).length === 0 && store.inspect(key, isSame) === undefined;
      if (isNew) await store.publish(key, hit.result, hit.record);
    }
  }

  #missingOf({ result: { log }, files }: Pick<RemoteHit, 'result' | 'files'>): readonly Digest[] {
    return this.#attached.missingOf(log === undefined ? files : [...files, log]);
  }

  /** A few files are often all that a result lacks, because the app has the same ones. They come in one batch. */
  async #fetchRemainders(mostBytes: number): Promise<void> {
    let left = mostBytes;
    const wanted: Digest[] = [];
    for (const hit of this.#hits.values()) {
      const missing = this.#missingOf(hit).filter((digest) => this.mayHave(digest));
      const bytes = missing.reduce((sum, digest) => sum + sizeOf(digest), 0);
      if (bytes > left) continue;
      left -= bytes;
      wanted.push(...missing);
    }
    if (wanted.length > 0) await this.supply(wanted);
  }

  offer(upload: Upload): void {
    if (this.settings.write) this.#uploads.offer(upload);
  }

  /** Ends the uploads of an attempt. */
  async drain(limitMs: number): Promise<void> {
    await this.#uploads.drain(this.options.signal.aborted ? 0 : limitMs);
  }

  /** What happened so far. */
  report(): RemoteReport {
    const { uploaded, notUploaded: left } = this.#uploads;
    if (left > 0 && this.#off === undefined && !this.options.signal.aborted)
      this.#notice('remote::not-uploaded', notUploaded(this.settings.url, left));
    const { calls, roundTrips, bytesDown, bytesUp } = this.#connection.counters;
    return {
      url: this.settings.url,
      hits: this.#hits.size,
      misses: this.#missed.size,
      uploaded,
      notUploaded: left,
      calls,
      roundTrips,
      bytesDown,
      bytesUp,
      savedMs: [...this.#hits.values()].reduce((sum, { result }) => sum + result.durationMs, 0),
      ...(this.#off === undefined ? {} : { off: this.#off.what }),
    };
  }

  /** Ends all calls. */
  close(): void {
    this.executor?.close();
    this.#connection.close();
  }

  #onOff(what: Off, error: RemoteError): void {
    this.#off = { what, error };
    const { url } = this.settings;
    if (what === 'all') this.#notice('remote::off', goesOn(url, error));
    else this.#notice('remote::writing-off', uploadsNoMore(url, error));
  }

  /** Each code once. */
  tell(code: string, text: string): void {
    this.#notice(code, text);
  }

  #notice(code: string, text: string): undefined {
    if (this.#told.has(code)) return;
    this.#told.add(code);
    this.options.onNotice(code, text);
  }
}

const layersOf = ({ layer, tool }: ActionResult): readonly Layer[] => [layer, tool].filter((one) => one !== undefined);
const losesBlobs = new RemoteError(STATUS.DATA_LOSS, 'BatchReadBlobs', 'the server keeps losing blobs');
const bad = (detail: string): Refused => ({ why: 'invalid', detail });
const wrongOutputs = bad("its outputs don't match the schema of the kind");
const hugeTree = bad('its tree is too large');
const pair = <T>(digest: Digest, bytes: T | undefined): readonly (readonly [Digest, T])[] =>
  bytes === undefined ? [] : [[digest, bytes]];
