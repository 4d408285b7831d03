// What `context.handle` refers to: one running node's sandbox session, log and progress. Also the services that work
// through it.

import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { EventSink } from '../events.js';
import { succeed, type Failure, type Result } from '../failure.js';
import type { CommandExit, Download, NodeLog, Packages, RunContext, Subprocess } from '../sdk.js';
import { exitStatusOf } from '../process/command.js';
import { DIRECT_ACCESS } from '../packages/direct.js';
import type { NodePackages } from '../packages/node-packages.js';
import type { SandboxSession } from '../process/sandbox/sandbox.js';
import type { Downloader } from '../services/download.js';
import { filesService } from '../services/files.js';
import type { KnownSecrets } from '../secrets/known-secrets.js';
import type { LogLine } from '../store/store.js';

const KEPT_LINES = 200;
const MAX_LOG_CHARACTERS = 16 * 1024 * 1024;

interface HandleParts {
  readonly node: NodeId;
  /** Undefined for a pure node, which runs no commands. */
  readonly session: SandboxSession | undefined;
  readonly network: boolean;
  readonly sink: EventSink;
  readonly secrets: KnownSecrets;
  /** Undefined if the node's commands reach package indexes by themselves. */
  readonly packages?: NodePackages | undefined;
  /** Proxy and certificate variables of the operator. */
  readonly passThrough?: Readonly<Record<string, string>>;
}

export class NodeHandle {
  readonly #startedAt = performance.now();
  readonly #log: LogLine[] = [];
  #logCharacters = 0;
  /** A command without network access printed a typical network error. */
  lacksNetwork = false;
  /** Exit code of the last command that ended; 0 if none did. */
  lastStatus = 0;

  readonly session: SandboxSession | undefined;
  readonly network: boolean;
  readonly secrets: KnownSecrets;
  readonly packages: NodePackages | undefined;
  readonly passThrough: Readonly<Record<string, string>>;
  readonly #node: NodeId;
  readonly #sink: EventSink;

  constructor({ node, session, network, sink, secrets, packages, passThrough = {} }: HandleParts) {
    this.packages = packages;
    this.passThrough = passThrough;
    this.#node = node;
    this.session = session;
    this.network = network;
    this.#sink = sink;
    this.secrets = secrets;
  }

  get log(): readonly LogLine[] {
    return this.#log;
  }

  print(stream: LogLine['stream'], text: string): void {
    this.printMasked(stream, this.secrets.mask(text));
  }

  printMasked(stream: LogLine['stream'], text: string): void {
    const line = { stream, at: Math.round(performance.now() - this.#startedAt), text };
    this.#logCharacters += line.text.length;
    if (this.#logCharacters <= MAX_LOG_CHARACTERS) this.#log.push(line);
    this.#sink.emit({ type: 'node-printed', node: this.#node, replayed: false, stream, text: line.text });
  }

  progress(what: string, done: number, total: number | undefined, unit: 'bytes' | 'items'): void {
    const known = total === undefined ? {} : { total };
    this.#sink.emit({ type: 'node-progress', node: this.#node, what, done, ...known, unit });
  }
}

const handleOf = (context: RunContext): NodeHandle => context.handle as NodeHandle;

export const subprocessService: Subprocess = {
  async run(
    context,
    { argv, cwd, env, network, filter, keepLines = KEPT_LINES },
  ): Promise<Result<CommandExit, Failure>> {
    const handle = handleOf(context);
    if (handle.session === undefined) throw new Error(`a pure node ran a command: ${argv[0]}`);
    const isClosed = handle.packages?.isClosed === true;
    const wantsNetwork = network ?? handle.network;
    const isConnected = wantsNetwork && !isClosed;
    const relay = wantsNetwork && isClosed ? handle.packages?.socketPath : undefined;
    const lines: string[] = [];
    const take = (stream: 'stdout' | 'stderr') => (shown: string) => {
      const kept = filter === undefined ? shown : filter(stream, shown);
      if (kept === undefined) return;
      lines.push(kept);
      // Trimmed only now and then, because shifting an array takes linear time.
      if (lines.length > 2 * keepLines) lines.splice(0, lines.length - keepLines);
      if (kept === shown) handle.printMasked(stream, kept);
      else handle.print(stream, kept);
    };
    // Lines are masked before the plugin sees them, because what it keeps of them ends up in outputs and failures.
    const masked = { stdout: handle.secrets.lines(take('stdout')), stderr: handle.secrets.lines(take('stderr')) };
    const exit = await handle.session.run({
      argv,
      ...(cwd === undefined ? {} : { cwd }),
      env: env === undefined ? context.env : { ...context.env, ...env },
      network: isConnected,
      ...(relay === undefined ? {} : { relay }),
      signal: context.signal,
      onLine: (stream, text) => {
        if (!isConnected && NO_NETWORK.test(text)) handle.lacksNetwork = true;
        masked[stream].write(text);
      },
    });
    for (const stream of [masked.stdout, masked.stderr]) stream.end();
    if (!exit.ok) return exit;
    const exitCode = exitStatusOf(exit.value);
    handle.lastStatus = exitCode;
    return succeed({ exitCode, lines: lines.slice(-keepLines) });
  },
};

/** What programs print when they can't reach a host. */
const NO_NETWORK =
  /name resolution|name or service not known|could not resolve|couldn't resolve|no address associated|unknown host|nodename nor servname|getaddrinfo|EAI_AGAIN|ENOTFOUND|network is (?:unreachable|down)|ENETUNREACH|EHOSTUNREACH|no route to host|connection refused|ECONNREFUSED|failed to establish a new connection|dial tcp|max retries exceeded|dns error/i;

export const nodeLogService = {
  /** For lines that the plugin's own code printed. */
  printed: (context: RunContext, stream: 'stdout' | 'stderr', text: string) => handleOf(context).print(stream, text),
  step: (context, text) => handleOf(context).print('step', text),
  info: (context, text) => handleOf(context).print('stdout', text),
  notice: (context, code, text) => handleOf(context).print('notice', `[${code}] ${text}`),
  progress: (context, what, done, total, unit) => handleOf(context).progress(what, done, total, unit),
} satisfies NodeLog & Record<'printed', unknown>;

export const downloadService = (downloader: () => Promise<Downloader>): Download => ({
  async fetch(context, { url, sha256, sizeBytes }) {
    const size = sizeBytes === undefined ? {} : { sizeBytes };
    return (await downloader()).fetchFile({
      url,
      sha256,
      ...size,
      signal: context.signal,
      onProgress: (done, total) => handleOf(context).progress('download', done, total, 'bytes'),
    });
  },
});

export const packagesService: Packages = {
  hide: async (context, secret) => handleOf(context).packages?.hide(secret) ?? secret,
  async open(context, plan) {
    const { packages, passThrough } = handleOf(context);
    if (packages === undefined) return DIRECT_ACCESS;
    await packages.begin(plan);
    const { given } = filesService.of(context);
    given.write(CERTIFICATES, packages.certificates(passThrough));
    return {
      isThroughGateway: true,
      env: packages.variables(`${context.paths.given}/${CERTIFICATES}`),
      indexUrl: withoutUserinfo,
      explain: (failure) => packages.explain(failure),
    };
  },
};

/** Below the folder that plugins give to their commands. */
const CERTIFICATES = 'packages/certificates.pem';

const withoutUserinfo = (urls: string): string => urls.replace(/(\/\/)[^/?#\s]*@/g, '$1');
