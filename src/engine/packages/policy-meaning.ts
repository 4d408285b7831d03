// What a policy means, in a few sentences, for `pyflow check`.

import type { PolicyRule } from '../../manifests/packages/policy.js';
import { lastMoment } from '../../manifests/packages/policy.js';
import { cleanText } from '../files/clean-text.js';
import { shownAddress } from './index-address.js';
import type { Policy } from './policy.js';
import { shownAge } from './policy.js';

const MOST_NAMED = 5;

/** At most one line for each rule. `now`: milliseconds since 1970. */
export function policyMeaning(policy: Policy, now: number): readonly string[] {
  const lines = [
    ...ageLines(policy),
    ...listLines(policy),
    ...indexLines(policy),
    ...advisoryLines(policy),
    ...kindLines(policy),
    ...licenceLines(policy),
    ...waiverLines(policy, now),
  ];
  if (lines.length === 0) return ['It has no rules, so it allows every package.'];
  return policy.contact === undefined ? lines : [...lines, `${policy.contact} may waive a rule.`];
}

/** Files of the folder of advisories that are no records. */
export const unreadableText = (files: readonly string[]): string =>
  `Some files of the folder of advisories are no OSV records: ${named(files)}.`;

const verb = ({ file }: Policy, rule: PolicyRule): string =>
  (file.levels?.[rule] ?? (rule === 'advisories' ? 'warn' : 'refuse')) === 'warn'
    ? 'pyflow warns about'
    : 'pyflow refuses';

function named(texts: readonly string[]): string {
  const shown = texts.slice(0, MOST_NAMED).map((text) => cleanText(text));
  return shown.join(', ') + (texts.length > shown.length ? ` and ${texts.length - shown.length} more` : '');
}

function ageLines(policy: Policy): readonly string[] {
  const { minimumAge } = policy.file;
  if (policy.defaultAge === undefined) return [];
  const except = typeof minimumAge === 'object' ? (minimumAge.except ?? []) : [];
  const exceptions = except.map(
    ({ package: name = 'all packages', index, age = '0d' }) =>
      `${name}${index === undefined ? '' : ` from ${shownAddress(index)}`}: ${age}`,
  );
  const more = exceptions.length === 0 ? '' : ` (other ages: ${named(exceptions)})`;
  return [
    `minimumAge: ${verb(policy, 'minimumAge')} files uploaded less than ${shownAge(policy.defaultAge)} ago${more}.`,
  ];
}

function listLines(policy: Policy): readonly string[] {
  const { allow, deny } = policy.file;
  return [
    ...(allow === undefined
      ? []
      : [`allow: ${verb(policy, 'allow')} all packages but ${allow.length === 0 ? 'none' : named(allow)}.`]),
    ...(deny === undefined || deny.length === 0 ? [] : [`deny: ${verb(policy, 'deny')} ${named(deny)}.`]),
  ];
}

function indexLines(policy: Policy): readonly string[] {
  const { allow, deny = [], private: own = [] } = policy.file.indexes ?? {};
  return [
    ...(allow === undefined
      ? []
      : [`indexes: ${verb(policy, 'indexes')} files that come from elsewhere than ${named(allow.map(shownAddress))}.`]),
    ...(deny.length === 0 ? [] : [`indexes: ${verb(policy, 'indexes')} files from ${named(deny.map(shownAddress))}.`]),
    ...own.map(
      ({ packages, from }) =>
        `private: ${verb(policy, 'private')} ${named(packages)} from elsewhere than ${named(from.map(shownAddress))}.`,
    ),
  ];
}

function advisoryLines(policy: Policy): readonly string[] {
  if (policy.advisories === undefined) return [];
  const count = policy.advisories.size;
  return [
    `advisories: ${verb(policy, 'malicious')} malicious releases, and ${verb(policy, 'advisories')} vulnerable ones (records about ${count} package${count === 1 ? '' : 's'}).`,
  ];
}

function kindLines(policy: Policy): readonly string[] {
  const { wheelsOnly = false, yanked = 'allow' } = policy.file;
  const which =
    wheelsOnly === true
      ? 'all packages'
      : wheelsOnly === false
        ? undefined
        : 'except' in wheelsOnly
          ? `all packages but ${named(wheelsOnly.except)}`
          : named(wheelsOnly);
  return [
    ...(which === undefined ? [] : [`wheelsOnly: ${verb(policy, 'wheelsOnly')} source archives of ${which}.`]),
    ...(yanked === 'allow'
      ? []
      : [`yanked: pyflow ${yanked === 'warn' ? 'warns about' : 'refuses'} files that their owner withdrew.`]),
  ];
}

function licenceLines({ file }: Policy): readonly string[] {
  const { warn = [], refuse = [] } = file.licences ?? {};
  return [
    ...(warn.length === 0 ? [] : [`licences: pyflow warns about ${named(warn)}.`]),
    ...(refuse.length === 0 ? [] : [`licences: pyflow refuses ${named(refuse)}.`]),
  ];
}

function waiverLines({ file }: Policy, now: number): readonly string[] {
  const active = (file.waivers ?? []).filter(({ until }) => (lastMoment(until) ?? 0) >= now);
  if (active.length === 0) return [];
  return [
    `waivers: ${named(active.map(({ package: name, rule, until, by }) => `${name} (${rule}, until ${until}, by ${by})`))}.`,
  ];
}
