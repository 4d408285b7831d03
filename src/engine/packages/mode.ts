// How package managers reach indexes, as the operator says with `--packages` or PYFLOW_PACKAGES.

import { fail, succeed, type Result } from '../failure.js';

/**
 * `direct`: package managers reach indexes themselves. `open`: they use the gateway, and their commands can also use the network.
 * `gateway`: they use the gateway, and their commands have no network. `replay`: like `gateway`, and the gateway answers from the
 * record of the last build only. `as-of`: like `open`, and indexes look as they did at a time.
 */
export type PackagesMode =
  | { readonly type: 'direct' | 'open' | 'gateway' | 'replay' }
  /** `at`: milliseconds since the epoch. */
  | { readonly type: 'as-of'; readonly at: number };

export const DIRECT: PackagesMode = { type: 'direct' };

const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z)?$/;

/** Fails with a sentence about the text. A date without a time is its first moment in UTC. */
export function parsePackagesMode(text: string | undefined): Result<PackagesMode, string> {
  if (text === undefined || text === '' || text === 'direct') return succeed(DIRECT);
  if (text === 'open' || text === 'gateway' || text === 'replay') return succeed({ type: text });
  const date = /^as-of=(.*)$/.exec(text)?.[1];
  if (date === undefined) return fail('It must be direct, open, gateway, replay or as-of=DATE.');
  const at = DATE.test(date) ? Date.parse(date) : Number.NaN;
  // Date.parse accepts February 30.
  const isReal = !Number.isNaN(at) && new Date(at).toISOString().startsWith(date.slice(0, 10));
  return isReal
    ? succeed({ type: 'as-of', at })
    : fail('The date must look like 2026-11-30 or 2026-11-30T12:00:00Z, in UTC.');
}

/** Whether commands of package managers have no network of their own. */
export const isClosed = ({ type }: PackagesMode): boolean => type === 'gateway' || type === 'replay';
