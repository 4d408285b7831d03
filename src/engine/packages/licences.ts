// Which packages of an installation have a licence that the policy warns about or refuses. Pure: the inventory tells the licences.

import { normalizeName } from '../../manifests/app/requirements.js';
import { coversVersion, nameMatcher } from '../../manifests/packages/package-spec.js';
import { cleanText } from '../files/clean-text.js';
import type { Policy, PolicyFinding } from './policy.js';

export interface LicensedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, such as `MIT OR Apache-2.0`, or what the package says instead. Absent if it says nothing. */
  readonly licence?: string;
}

export interface LicenceFinding extends PolicyFinding {
  /** Normalized. */
  readonly project: string;
  readonly version: string;
}

const LONGEST = 10_000;

/** `now`: milliseconds since 1970, for waivers. */
export function judgeLicences(
  policy: Policy,
  packages: readonly LicensedPackage[],
  now: number,
): readonly LicenceFinding[] {
  const { warn = [], refuse = [] } = policy.file.licences ?? {};
  if (warn.length === 0 && refuse.length === 0) return [];
  const [warns, refuses] = [matcherOf(warn), matcherOf(refuse)];
  return packages.flatMap(({ name, version, licence }): readonly LicenceFinding[] => {
    const project = normalizeName(name);
    if (licence === undefined) return [];
    const level = isListed(licence, refuses) ? 'refuse' : isListed(licence, warns) ? 'warn' : undefined;
    if (level === undefined || isWaived(policy, { project, version }, now)) return [];
    const reason = `Its licence is ${cleanText(licence.slice(0, 200))}.`;
    return [{ rule: 'licences', level, reason, project, version }];
  });
}

function isWaived(
  { waivers }: Policy,
  { project, version }: { readonly project: string; readonly version: string },
  now: number,
): boolean {
  return waivers
    .named(project)
    .some(({ spec, value }) => value.rule === 'licences' && value.end >= now && coversVersion(spec, version, false));
}

function matcherOf(patterns: readonly string[]): (identifier: string) => boolean {
  const all = patterns.map((pattern) => nameMatcher(pattern.toLowerCase()));
  return (identifier) => all.some((fits) => fits(identifier.toLowerCase()));
}

/** In a choice (`MIT OR GPL-3.0-only`), a user of the package may take any branch, so all branches must be listed. */
function isListed(expression: string, fits: (identifier: string) => boolean): boolean {
  const text = expression.slice(0, LONGEST).trim();
  const branches = text.includes('(') ? [text] : text.split(/\s+OR\s+/i);
  return fits(text) || branches.every((branch) => branch.split(/[\s()]+/).some((word) => word !== '' && fits(word)));
}
