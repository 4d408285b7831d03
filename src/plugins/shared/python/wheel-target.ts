// The platform that wheels must support: this machine and the Python in a node's view.

import type { Host, ViewReader } from '../../../engine/sdk.js';
import type { WheelTarget } from '../../../manifests/app/wheel-tags.js';
import { findPythonInView } from './home.js';

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64', ia32: 'i686', ppc64: 'ppc64le' };

/** Undefined if the view contains no Python. */
export function wheelTarget(host: Host, view: ViewReader, vendorDir: string): WheelTarget | undefined {
  const python = findPythonInView(view, vendorDir);
  if (!python.ok) return undefined;
  const glibc = host.os === 'linux' && host.libc.name === 'glibc' ? host.libc.version : undefined;
  return {
    minor: python.value.minor,
    machine: MACHINES[host.arch] ?? host.arch,
    ...(glibc !== undefined && { glibc }),
  };
}
