// Which results may leave this machine, in a file or to a server. Those with side effects and those that are never cached are in
// no store.

import type { ActionKey } from '../files/digest.js';
import type { LocalStore } from './local-store.js';
import type { StoredResult } from './results.js';
import type { KeyRecord } from './store.js';

/** Why a result stays. */
export type Bond =
  /** Only one app may use it, or its key names the app. */
  | 'app'
  /** A fallback for this host. */
  | 'degraded'
  | 'secrets'
  /** App variables. */
  | 'variables';

/** Undefined if the result may leave this machine. */
export function bondOf(
  { result, usesVariables }: Pick<StoredResult, 'result' | 'usesVariables'>,
  record: KeyRecord,
): Bond | undefined {
  if (result.appId !== undefined || record.scope !== '') return 'app';
  if (result.degraded !== undefined) return 'degraded';
  if (Object.keys(record.secrets).length > 0) return 'secrets';
  return usesVariables === true || Object.values(record.env).some(isDigested) ? 'variables' : undefined;
}

/** A key record has a digest in the place of the value of an app variable. */
const isDigested = (value: string): boolean => /^sha256:[0-9a-f]{64}$/.test(value);

/** The newest result of a key that is bound to neither an app nor a host, for one builder or, if undefined, for all. */
export const newestFor = (store: LocalStore, key: ActionKey | string, builder: string | undefined) =>
  store.inspect(
    key,
    ({ result }) => result.appId === undefined && result.degraded === undefined && result.builder === builder,
  );
