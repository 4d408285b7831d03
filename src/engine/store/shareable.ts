// Which results may leave this machine, in a file or to a server. Those with side effects and those that are never cached are in
// no store.

import { newestOfEach, type StoredResult } from './results.js';
import type { ActionResult, KeyRecord } from './store.js';

/** Why a result stays. */
export type Bond =
  /** Only one app may use it, or its key names the app. */
  | 'app'
  /** A fallback for this host. */
  | 'degraded'
  | 'secrets'
  /** App variables. */
  | 'variables'
  /** Made from a result that contains secrets or app variables. */
  | 'derived'
  /** A part of a slug, packed for archives and images. Other machines pack it again. */
  | 'packed';

/** What can bind a result to this machine, besides its key. */
export interface Bound {
  readonly result: Pick<ActionResult, 'appId' | 'degraded' | 'taint'>;
  readonly usesVariables?: boolean | undefined;
}

/** Undefined if the result may leave this machine. */
export function bondOf({ result, usesVariables }: Bound, record: KeyRecord): Bond | undefined {
  if (result.appId !== undefined || record.scope !== '') return 'app';
  if (result.degraded !== undefined) return 'degraded';
  if (Object.keys(record.secrets).length > 0) return 'secrets';
  if (usesVariables === true || Object.values(record.env).some(isDigested)) return 'variables';
  if (result.taint === 'packed') return 'packed';
  return result.taint === undefined ? undefined : 'derived';
}

/** A key record has a digest in the place of the value of an app variable. */
const isDigested = (value: string): boolean => /^sha256:[0-9a-f]{64}$/.test(value);

/** Of all results of a key, those that nothing binds to an app or a machine: for each builder the newest. */
export const newestShareable = (results: readonly StoredResult[]): readonly StoredResult[] =>
  newestOfEach(results.filter(({ result }) => isUnbound(result)));

const isUnbound = ({ appId, degraded, taint }: ActionResult): boolean =>
  appId === undefined && degraded === undefined && taint === undefined;
