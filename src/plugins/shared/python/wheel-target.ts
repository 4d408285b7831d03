// What wheels have to fit on this machine, for the Python that a node sees. Unaware of lockfiles.

import type { Host, ViewReader } from '../../../engine/sdk.js';
import type { WheelTarget } from '../../../manifests/app/wheel-tags.js';
import { minorInView, pythonHome } from './home.js';

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', ppc64: 'ppc64le' };

/** What wheels have to fit; undefined when the node sees no Python. */
export function wheelTarget(host: Host, view: ViewReader, vendorDir: string): WheelTarget | undefined {
  const minor = minorInView(view, pythonHome(vendorDir));
  if (minor === undefined) return undefined;
  const glibc = host.os === 'linux' && host.libc.name === 'glibc' ? host.libc.version : undefined;
  return { minor, machine: MACHINES[host.arch] ?? host.arch, ...(glibc !== undefined && { glibc }) };
}
