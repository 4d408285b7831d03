// The package gateway of one run: started when the first node needs it, closed after the last node.

import type { Result, Failure } from '../failure.js';
import { fail, succeed } from '../failure.js';
import type { PagesOf } from './answers.js';
import { sandboxNeeded } from './failures.js';
import type { GatewayOptions, PackageGateway } from './gateway.js';
import { DIRECT, isClosed, parsePackagesMode, type PackagesMode } from './mode.js';
import { NodePackages } from './node-packages.js';
import type { Policy } from './policy.js';
import { PackageRecords } from './records.js';

export interface RunPackagesOptions {
  readonly cacheDir: string;
  /** The operator's PYFLOW_PACKAGES. */
  readonly setting: string | undefined;
  /** The operator's PYFLOW_DOWNLOADS_MAX_BYTES. */
  readonly mostDownloads: string | undefined;
  readonly passThrough: Readonly<Record<string, string>>;
  /** Ports of this machine that the operator named: of an index, a proxy, or in PYFLOW_HOST_PORTS. */
  readonly ownPorts: readonly number[];
  /** A folder with a short path. */
  readonly socketDir: () => string;
  readonly now: number;
  /** Judges what passes. Absent without a policy. */
  readonly policy?: Policy | undefined;
  readonly onNotice: (code: string, text: string) => void;
}

export class RunPackages {
  readonly mode: PackagesMode;
  #opening: Promise<PackageGateway> | undefined;

  constructor(private readonly options: RunPackagesOptions) {
    const mode = parsePackagesMode(options.setting);
    // The command line has refused others.
    this.mode = mode.ok ? mode.value : DIRECT;
  }

  gateway(): Promise<PackageGateway> {
    return (this.#opening ??= this.#open());
  }

  /** Loads the gateway while the first nodes work. */
  warmUp(): void {
    // A node that needs the gateway gets its failure.
    if (this.mode.type !== 'direct') this.gateway().catch(() => {});
  }

  /** The port on the loopback of this machine that commands in a network of their own must reach. */
  async port(): Promise<number | undefined> {
    const isNeeded = this.mode.type !== 'direct' && !isClosed(this.mode);
    return isNeeded ? (await this.gateway()).port : undefined;
  }

  /** Undefined if the node reaches indexes by itself. `canClose`: the sandbox can run commands without a network. */
  forNode(key: string, canClose: boolean): Result<NodePackages | undefined, Failure> {
    if (this.mode.type === 'direct') return succeed(undefined);
    if (isClosed(this.mode) && !canClose) return fail(sandboxNeeded(this.mode.type));
    const records = new PackageRecords(`${this.options.cacheDir}/packages/records`);
    return succeed(
      new NodePackages({
        open: () => this.gateway(),
        mode: this.mode,
        records,
        key,
        policy: this.options.policy,
        now: this.options.now,
      }),
    );
  }

  async close(): Promise<void> {
    const gateway = await this.#opening?.catch(() => undefined);
    await gateway?.close();
    if (gateway === undefined || gateway.bytesStored === 0) return;
    const { cacheDir, mostDownloads, now } = this.options;
    const { keepDownloads, DEFAULT_DOWNLOAD_BYTES } = await import('../services/download-quota.js');
    await keepDownloads(cacheDir, Number(mostDownloads) || DEFAULT_DOWNLOAD_BYTES, now);
  }

  async #open(): Promise<PackageGateway> {
    const { PackageGateway } = await import('./gateway.js');
    const { cacheDir, passThrough, socketDir, now, ownPorts } = this.options;
    const gatekeeperFor = await this.#gatekeepers();
    return PackageGateway.open({
      cacheDir,
      passThrough,
      socketDir: socketDir(),
      now,
      // With an open network, commands reach the machine's services by themselves.
      ...(isClosed(this.mode) && { ownPorts }),
      ...(gatekeeperFor !== undefined && { gatekeeperFor }),
    });
  }

  async #gatekeepers(): Promise<GatewayOptions['gatekeeperFor']> {
    const { policy, now, onNotice } = this.options;
    const { mode } = this;
    const { AsOf } = await import('./as-of.js');
    const asOf = (pagesOf: PagesOf) => (mode.type === 'as-of' ? new AsOf({ at: mode.at, pagesOf }) : undefined);
    if (policy === undefined) return (_, pagesOf) => asOf(pagesOf);
    const { policyKeeper } = await import('./policy-keeper.js');
    return (_, pagesOf) => policyKeeper({ policy, now, onWarning: onNotice }, pagesOf, asOf(pagesOf));
  }
}
