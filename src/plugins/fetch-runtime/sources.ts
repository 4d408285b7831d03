// Finds the archive of a provider, or the reason why it has none.

import { fail, succeed, type Host, type Result } from '../../engine/sdk.js';
import { findPlatformArchive, platformArchiveName } from '../../manifests/catalogue/platform-archives.js';
import type { PlatformArchive } from '../../manifests/catalogue/platform-archives.js';
import type { Runtime } from '../../manifests/catalogue/runtimes.js';
import { readPins } from '../shared/archives/platform-pins.js';
import type { Provider } from '../shared/archives/provider-list.js';
import { badMirror, type ProviderMiss } from './failures.js';

/** An archive with a runtime. */
export interface Source {
  readonly provider: Provider;
  readonly url: string;
  readonly sha256: string;
  readonly sizeBytes?: number;
  readonly format: 'tar.gz' | 'tar.zst';
  /** The number of folders around the prefix. */
  readonly strip: number;
}

/** For messages. */
export const platformName = ({ os, arch, libc }: Host): string => `${os}-${arch}-${libc.name}`;

export function standaloneSource(row: Runtime | undefined, host: Host): Result<Source | ProviderMiss> {
  const provider = 'python-build-standalone';
  if (row === undefined) {
    const reason = `there is no build for ${platformName(host)}.`;
    return succeed({ provider, reason, isTemporary: false, isCertain: true });
  }
  const replaces = `everything before BUILD/ARCHIVE in the URL of ${provider}`;
  const url = urlOf(host, 'PYTHON_MIRROR', row.url, row.path, replaces);
  if (!url.ok) return url;
  const { sha256, sizeBytes } = row;
  const size = sizeBytes !== undefined && { sizeBytes };
  return succeed({ provider, url: url.value, sha256, ...size, format: 'tar.gz', strip: 1 });
}

export function findPinned(
  version: string,
  stack: string | undefined,
  host: Host,
): Result<PlatformArchive | undefined> {
  const pins = readPins(host);
  if (!pins.ok) return pins;
  return succeed(
    stack === undefined ? undefined : findPlatformArchive(version, { stack, arch: host.arch }, pins.value),
  );
}

export function platformSource(version: string, stack: string | undefined, host: Host): Result<Source | ProviderMiss> {
  const provider = 'scalingo';
  const found = findPinned(version, stack, host);
  if (!found.ok) return found;
  if (found.value === undefined) return succeed({ provider, isTemporary: false, isCertain: true, ...whyNone() });
  const { name, url: usual, sha256, sizeBytes } = found.value;
  const url = urlOf(host, 'SCALINGO_MIRROR', usual, name, "everything before the archive's name in its URL");
  if (!url.ok) return url;
  return succeed({ provider, url: url.value, sha256, sizeBytes, format: 'tar.zst', strip: 0 });

  function whyNone(): Pick<ProviderMiss, 'reason' | 'isUnpinned'> {
    if (stack === undefined) return { reason: 'the node does not name a stack (`with: { stack: ... }`).' };
    const name = platformArchiveName(version, { stack, arch: host.arch });
    if (name === undefined) return { reason: `there are no archives for ${stack} on ${host.arch}.` };
    return { reason: `no digest is pinned for ${name}.`, isUnpinned: true };
  }
}

function urlOf(host: Host, setting: string, usual: string, path: string, replaces: string): Result<string> {
  const mirror = host.setting(setting);
  if (mirror === undefined || mirror === '') return succeed(usual);
  if (!/^(https?|file):\/\//.test(mirror) || !URL.canParse(mirror)) return fail(badMirror(setting, mirror, replaces));
  return succeed(`${mirror.replace(/\/+$/, '')}/${path}`);
}
