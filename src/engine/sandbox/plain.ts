// The sandbox of machines that have none: real folders, real paths, nothing hidden. Unaware of namespaces.

import { randomBytes } from 'node:crypto';
import { spawnCommand } from '../subprocess.js';
import type { Sandbox, SandboxRequest, SandboxSession } from './sandbox.js';

export interface PlainOptions {
  /** Proxy and CA variables of the operator: for commands with a network, below their own environment. */
  readonly passThrough: Readonly<Record<string, string>>;
  readonly fallbackReason?: string;
}

let commands = 0;
let processTag: string | undefined;
/** Tells apart the commands of all processes of a machine, also when process ids come again. */
const nextMarker = (): string => {
  processTag ??= `${process.pid}-${randomBytes(6).toString('hex')}`;
  commands += 1;
  return `${processTag}-${commands}`;
};

/** Commands may see and write whatever the caller may; `mounts` cannot be had and are ignored. */
export function createPlainSandbox({ passThrough, fallbackReason }: PlainOptions): Sandbox {
  return {
    mode: 'none',
    ...(fallbackReason === undefined ? {} : { fallbackReason }),
    open: (request) => openSession(request, passThrough),
  };
}

function openSession(request: SandboxRequest, passThrough: Readonly<Record<string, string>>): SandboxSession {
  const { appDir, scratchDir, cacheDir, toolDir, tools } = request;
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  return {
    paths: {
      app: appDir,
      scratch: scratchDir,
      cache: cacheDir,
      ...(toolDir === undefined ? {} : { tool: toolDir }),
      tools,
    },
    run({ argv, cwd, env, network, onLine, signal }) {
      const command = spawnCommand(argv, {
        cwd: cwd ?? appDir,
        env: network ? { ...passThrough, ...env } : env,
        onLine,
        signals: [signal, closing.signal],
        marker: nextMarker(),
      });
      running.add(command);
      return command.finally(() => running.delete(command));
    },
    async close() {
      closing.abort();
      await Promise.allSettled(running);
    },
  };
}
