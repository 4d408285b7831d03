// The builds of CPython that pyflow can download: platform, URL and digest. About 50 kB of data, so import this module only
// when a node runs.

import compare from 'semver/functions/compare.js';
import data from './data/python-runtimes.json' with { type: 'json' };

/** `linux-x86_64-gnu`; the keys of `platforms` in the data. */
export type RuntimePlatform = keyof typeof data.platforms;

export interface Runtime {
  /** X.Y.Z */
  readonly version: string;
  readonly platform: RuntimePlatform;
  /** Tag of the release that holds the archive, a date. */
  readonly build: string;
  readonly flavour: string;
  readonly url: string;
  /** The URL after the base, for mirrors with the same layout. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes?: number;
}

type Row = readonly [build: string, flavour: number, sha256: string, sizeBytes?: number];
const rows = data.runtimes as unknown as Readonly<Record<string, Readonly<Partial<Record<RuntimePlatform, Row>>>>>;

/** Accepts names in the spelling of Node, uname and Debian. Undefined for machines without builds. */
export function runtimePlatform(machine: {
  readonly os: string;
  readonly arch: string;
  readonly libc?: { readonly name: string };
}): RuntimePlatform | undefined {
  const arch = ARCHITECTURES[machine.arch];
  if (arch === undefined) return undefined;
  if (machine.os === 'darwin' || machine.os === 'macos') return `macos-${arch}`;
  if (machine.os !== 'linux') return undefined;
  return `linux-${arch}-${machine.libc?.name === 'musl' ? 'musl' : 'gnu'}`;
}
const ARCHITECTURES: Readonly<Record<string, 'x86_64' | 'aarch64'>> = {
  x64: 'x86_64',
  x86_64: 'x86_64',
  amd64: 'x86_64',
  arm64: 'aarch64',
  aarch64: 'aarch64',
};

/** The newest build of a minor version. */
export function latestRuntime(platform: RuntimePlatform, minor: string): Runtime | undefined {
  const versions = Object.keys(rows).filter(
    (version) => version.startsWith(`${minor}.`) && rows[version]?.[platform] !== undefined,
  );
  const newest = versions.toSorted((a, b) => compare(a, b)).at(-1);
  return newest === undefined ? undefined : findRuntime(platform, newest);
}

export function findRuntime(platform: RuntimePlatform, version: string): Runtime | undefined {
  const row = Object.hasOwn(rows, version) ? rows[version]?.[platform] : undefined;
  if (row === undefined) return undefined;
  const [build, flavourIndex, sha256, sizeBytes] = row;
  const flavour = data.flavours[flavourIndex]!;
  const values: Readonly<Record<string, string>> = { build, version, flavour, triple: data.platforms[platform].triple };
  const path = data.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!);
  const runtime = { version, platform, build, flavour, url: `${data.base}/${path}`, path, sha256 };
  return sizeBytes === undefined ? runtime : { ...runtime, sizeBytes };
}
