// Which results may leave this machine, in a file or to a server. Those with side effects and those that are never cached are in
// no store.

import { newestOfEach, type StoredResult } from './results.js';
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

/** Of all results of a key, those that are bound to neither an app nor a host: for each builder the newest. */
export const newestShareable = (results: readonly StoredResult[]): readonly StoredResult[] =>
  newestOfEach(results.filter(({ result: { appId, degraded } }) => appId === undefined && degraded === undefined));
