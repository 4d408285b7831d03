// The platform that wheels must support: this machine and the Python in a node's view.

import type { Host, ViewReader } from '../../../engine/sdk.js';
import type { WheelMachine, WheelTarget } from '../../../manifests/app/wheel-tags.js';
import { stackStatus } from '../../../manifests/catalogue/stacks.js';
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

/**
 * What wheels must support to be installed on this machine and to run on the stack: the older of the two C libraries counts.
 * Undefined libraries support everything.
 */
export function wheelMachine({ os, arch, libc }: Host, stack: string): WheelMachine {
  const machine = MACHINES[arch] ?? arch;
  if (os !== 'linux') return { os, machine };
  const { glibc } = stackStatus(stack);
  const isKnown = (libc.name === 'glibc' || libc.name === 'musl') && /^\d+\.\d+/.test(libc.version);
  const own = isKnown ? ({ name: libc.name, version: libc.version } as WheelMachine['libc']) : undefined;
  if (glibc === undefined || own?.name === 'musl') return { os, machine, ...(own !== undefined && { libc: own }) };
  const version = own === undefined || isOlder(glibc, own.version) ? glibc : own.version;
  return { os, machine, libc: { name: 'glibc', version } };
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = than.split('.').map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}
