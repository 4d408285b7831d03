// The sandbox of one run: probed when the first node needs it, closed after the last node.

import type { NodeLimits } from '../../manifests/pipeline/manifest.js';
import type { EventSink, RunReport } from '../events.js';
import type { Failure, Result } from '../failure.js';
import { loopbackPorts } from '../process/sandbox/own-network.js';
import { probeSandbox } from '../process/sandbox/probe.js';
import type { Sandbox } from '../process/sandbox/sandbox.js';
import type { RunPackages } from '../packages/run-packages.js';
import type { RunRequest } from '../request.js';
import type { Run } from '../run/run.js';
import type { NodeFolders } from './node-folders.js';

export class RunSandbox {
  #probing: Promise<Result<Sandbox, Failure>> | undefined;
  #used: RunReport['sandbox'];

  constructor(
    private readonly run: Run,
    private readonly sink: EventSink,
    private readonly needs: {
      readonly folders: NodeFolders;
      readonly packages: RunPackages;
      /** A failure if the operator's limits are invalid: then no node runs. */
      readonly limits: Result<NodeLimits, Failure>;
    },
  ) {}

  open(): Promise<Result<Sandbox, Failure>> {
    return (this.#probing ??= this.#probe());
  }

  /** How commands were isolated; undefined if no node ran. */
  get used(): RunReport['sandbox'] {
    return this.#used;
  }

  async #probe(): Promise<Result<Sandbox, Failure>> {
    const { folders, packages, limits } = this.needs;
    if (!limits.ok) return limits;
    const { request, composition } = this.run;
    const { passThrough = {} } = request;
    packages.warmUp();
    const port = await packages.port();
    const ports = [...operatorPorts(request), ...(port === undefined ? [] : [port])];
    const probed = await probeSandbox(request.sandbox, {
      searchPath: composition.host.searchPath,
      passThrough,
      hostPorts: [...new Set(ports)].sort((one, other) => one - other),
      stateDir: folders.usable(`${request.cacheDir}/state/sandbox`) ?? `${folders.largeDir()}/sandbox`,
    });
    if (!probed.ok) return probed;
    const { mode, fallbackReason } = probed.value;
    if (fallbackReason !== undefined) {
      const text = `pyflow runs commands without a sandbox: ${fallbackReason}`;
      this.sink.emit({ type: 'notice', code: 'sandbox::none', text });
    }
    this.#used = { mode, ...(fallbackReason === undefined ? {} : { reason: fallbackReason }) };
    return probed;
  }

  async close(): Promise<void> {
    const probed = await this.#probing;
    if (probed?.ok !== true) return;
    probed.value.close?.();
    const why = probed.value.whyNetworkIsShared?.();
    if (why === undefined) return;
    const text = `Commands with network access used the network of this machine, including services on localhost: ${why}.`;
    this.sink.emit({ type: 'notice', code: 'sandbox::shared-network', text });
  }
}

/** Ports on the loopback of this machine that the operator's settings name. */
export function operatorPorts({ settings }: Pick<RunRequest, 'settings'>): readonly number[] {
  const ports = (settings['HOST_PORTS'] ?? '').split(',').map((port) => `http://localhost:${port.trim()}`);
  return loopbackPorts([...Object.values(settings), ...ports]);
}
