// The sandbox for machines that have none: real folders, real paths, nothing hidden.

import { nextMarker } from '../guardian.js';
import { Launchers } from './launcher.js';
import { fail } from '../../failure.js';
import { commandAborted } from '../failures.js';
import { UsageWatch } from './usage.js';
import { writableFolders, type Sandbox, type SandboxRequest, type SandboxSession } from './sandbox.js';

interface PlainOptions {
  /** Proxy and CA variables of the operator: for commands with a network, below their own environment. */
  readonly passThrough: Readonly<Record<string, string>>;
  readonly fallbackReason?: string;
}

/** Commands may read and write whatever the caller may. `mounts` are not possible and are ignored. */
export function createPlainSandbox({ passThrough, fallbackReason }: PlainOptions): Sandbox {
  const launchers = new Launchers();
  return {
    mode: 'none',
    ...(fallbackReason === undefined ? {} : { fallbackReason }),
    open: (request) => openSession(request, passThrough, launchers),
    close: () => launchers.close(),
  };
}

function openSession(
  request: SandboxRequest,
  passThrough: Readonly<Record<string, string>>,
  launchers: Launchers,
): SandboxSession {
  const { appDir, scratchDir, cacheDir, givenDir, toolDir, tools } = request;
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const usage = new UsageWatch({
    limits: request.limits ?? {},
    folders: writableFolders(request),
    onExcess: (excess) => request.onExcess?.(excess),
  });
  return {
    paths: {
      app: appDir,
      scratch: scratchDir,
      cache: cacheDir,
      given: givenDir,
      ...(toolDir === undefined ? {} : { tool: toolDir }),
      tools,
    },
    run({ argv, cwd, env, network, onLine, signal }) {
      const options = {
        cwd: cwd ?? appDir,
        env: network ? { ...passThrough, ...env } : env,
        onLine,
        signals: [signal, closing.signal],
        marker: nextMarker(),
        usage,
      };
      const command = launchers
        .run(argv, options)
        .then(async (result) => ((await usage.isExceeded()) ? fail(commandAborted(argv)) : result));
      running.add(command);
      return command.finally(() => running.delete(command));
    },
    async close() {
      if (running.size > 0) {
        closing.abort();
        await Promise.allSettled(running);
      }
      usage.close();
    },
  };
}
