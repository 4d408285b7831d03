// The platform of this machine, with the names of REAPI's platform lexicon where it has one.

import { endianness } from 'node:os';
import type { Host } from '../sdk.js';

/** By `process.platform`. The lexicon asks for lowercase names of kernels, and most of Node's are that. */
const FAMILIES: Readonly<Record<string, string>> = { darwin: 'macos', win32: 'windows' };
/** By `process.arch`. The lexicon has no name for the others, such as s390x. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  arm: 'arm-a32',
  arm64: 'arm-a64',
  ia32: 'x86-32',
  riscv64: 'rv64g',
  x64: 'x86-64',
};

/** All of it is in every key. A server routes by these properties. */
export function platformOf({ os, arch, libc, release }: Host): Readonly<Record<string, string>> {
  const power = endianness() === 'LE' ? 'power-isa-le' : 'power-isa-be';
  return {
    OSFamily: FAMILIES[os] ?? os,
    ISA: arch === 'ppc64' ? power : (ARCHITECTURES[arch] ?? arch),
    libc: `${libc.name}-${libc.version}`,
    'os-release': `${release.id}-${release.version}`,
  };
}
