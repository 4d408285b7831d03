// Remembers for a while which hosts were unreachable, for all runs that share a cache.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../sdk.js';
import { makePrivateFolder, privateFileMode } from '../files/private-files.js';
import { readCacheFile } from '../files/cache-file.js';

const LARGEST = 1024 * 1024;
/** Long enough that a build of many files asks once, short enough that a repaired network is noticed. */
const REMEMBERED_MS = 10 * 60 * 1000;

interface DeadHost {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly why: string;
}

export interface DeadHosts {
  /** Why the host was unreachable a short while ago, or undefined. */
  find(host: string): string | undefined;
  remember(host: string, why: string): void;
  forget(host: string): void;
}

/** `host` is a name or address with its port. If the file can't be read or written, nothing is remembered. */
export function openDeadHosts(cacheDir: string, clock: Clock): DeadHosts {
  const file = join(cacheDir, 'state', 'dead-hosts.json');

  const load = (): Record<string, DeadHost> => {
    let parsed: unknown;
    try {
      parsed = JSON.parse((readCacheFile(file, LARGEST) ?? Buffer.from('{}')).toString('utf8'));
    } catch {
      return {};
    }
    if (typeof parsed !== 'object' || parsed === null) return {};
    const now = clock.now();
    return Object.fromEntries(Object.entries(parsed).filter(([, entry]) => isDeadHost(entry) && isFresh(entry, now)));
  };
  /** Last writer wins: losing an entry costs another attempt of two seconds. */
  const save = (hosts: Record<string, DeadHost>): void => {
    const temporary = `${file}.${process.pid}`;
    try {
      makePrivateFolder(join(cacheDir, 'state'));
      writeFileSync(temporary, `${JSON.stringify(hosts)}\n`, { mode: privateFileMode(temporary) });
      renameSync(temporary, file);
    } catch {
      // Not remembered.
    }
  };
  return {
    find(host) {
      const hosts = load();
      return Object.hasOwn(hosts, host) ? hosts[host]?.why : undefined;
    },
    remember: (host, why) => save({ ...load(), [host]: { at: clock.now(), why } }),
    forget(host) {
      const hosts = load();
      if (!Object.hasOwn(hosts, host)) return;
      delete hosts[host];
      save(hosts);
    },
  };
}

const isDeadHost = (entry: unknown): entry is DeadHost =>
  typeof entry === 'object' &&
  entry !== null &&
  'at' in entry &&
  typeof entry.at === 'number' &&
  'why' in entry &&
  typeof entry.why === 'string';

/** An entry from the future was made by another clock. */
const isFresh = ({ at }: DeadHost, now: number): boolean => at <= now && now - at < REMEMBERED_MS;
