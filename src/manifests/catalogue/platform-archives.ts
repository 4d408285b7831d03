// The platform's own builds of Python: archive name, URL and digest for a version on a stack.

import compare from 'semver/functions/compare.js';
import data from './data/platform-archives.json' with { type: 'json' };
import pins from './data/platform-pins.json' with { type: 'json' };
import type { Pin } from './pin-file.js';
import { stackStatus } from './stacks.js';

export interface PlatformArchive {
  /** X.Y.Z */
  readonly version: string;
  readonly name: string;
  readonly url: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** A stack, and the architecture in Node's spelling. */
interface PlatformTarget {
  readonly stack: string;
  readonly arch: string;
}

export type Pins = Readonly<Record<string, Pin>>;

/** The pins that pyflow ships. */
export const SHIPPED_PINS: Pins = pins.archives;

/** `python-3.13.2-ubuntu-24.04-amd64.tar.zst`. Undefined for stacks and machines without archives. */
export function platformArchiveName(version: string, { stack, arch }: PlatformTarget): string | undefined {
  const { distro, release } = stackStatus(stack);
  const debian = new Map(Object.entries(data.architectures)).get(arch);
  if (distro === undefined || release === undefined || debian === undefined) return undefined;
  const values: Readonly<Record<string, string>> = { version, distro, release, arch: debian };
  return data.name.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!);
}

export function findPlatformArchive(version: string, target: PlatformTarget, known: Pins): PlatformArchive | undefined {
  const name = platformArchiveName(version, target);
  const pin = name !== undefined && Object.hasOwn(known, name) ? known[name] : undefined;
  if (name === undefined || pin === undefined) return undefined;
  return { version, name, url: `${data.base}/${name}`, sha256: pin.sha256, sizeBytes: pin.sizeBytes };
}

/** The newest pinned patch of a minor version. */
export function latestPlatformArchive(minor: string, target: PlatformTarget, known: Pins): PlatformArchive | undefined {
  const newest = Object.keys(known)
    .flatMap((name) => versionIn(name) ?? [])
    .filter((version) => version.startsWith(`${minor}.`))
    .filter((version) => findPlatformArchive(version, target, known) !== undefined)
    .toSorted((a, b) => compare(a, b))
    .at(-1);
  return newest === undefined ? undefined : findPlatformArchive(newest, target, known);
}

/** The version in the name of an archive for any stack. Undefined for other names. */
export function versionIn(name: string): string | undefined {
  return NAME.exec(name)?.[1];
}
const NAME = new RegExp(
  `^${data.name
    .replaceAll('.', '\\.')
    .replace('{version}', '(\\d+\\.\\d+\\.\\d+)')
    .replace(/\{(?:distro|arch)\}/g, '[a-z0-9]+')
    .replace('{release}', '[0-9.]+')}$`,
);
/** For messages. */
export const PLATFORM_ARCHIVE_FORM = data.name.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
  name === 'version' ? 'X.Y.Z' : name.toUpperCase(),
);
