// The texts of the notices of the kind `version-resolve`.

import type { VersionTrace } from '../../manifests/app/versions/trace.js';
import { inRoot, rootName } from '../shared/app/root.js';
import { howToFit, howToSetVersion, placeOf, whyMisfit } from './failures.js';
import type { Origin } from './origin.js';

export interface Notice {
  readonly code: string;
  readonly text: string;
}

export const noVersionGiven = (root: string, minor: string, origin: Origin): Notice => ({
  code: 'python-version::none-given',
  text: [
    'The app sets no version of Python.',
    usedInstead(minor, origin),
    'The default changes over time and may then break the app. A later release will make this an error.',
    '',
    howToSetVersion(root, minor),
    '',
    `If the file exists already, check that it is in ${rootName(root)}, that its name is right, and that Git tracks it.`,
  ].join('\n'),
});

function usedInstead(minor: string, origin: Origin): string {
  if (origin === 'cached') return `pyflow uses the version of its last build, ${minor}.`;
  if (origin === 'newest-that-fits') return `pyflow uses the newest version that fits its packages, ${minor}.`;
  return `pyflow uses the default, ${minor}.`;
}

/** The default, or the version of the last build, gave way. */
export const replacedVersion = (trace: VersionTrace): Notice => ({
  code: 'python-version::replaced',
  text: [
    `Python ${trace.wanted}, ${trace.from === 'default' ? 'the default' : 'the version of the last build'}, does not fit the app. pyflow uses ${trace.chosen} instead:`,
    ...whyMisfit(trace, trace.wanted),
  ].join('\n'),
});

export const misfitVersion = (root: string, origin: Origin, trace: VersionTrace): Notice => ({
  code: 'python-version::misfit',
  text: [`Python ${trace.chosen} does not fit the app:`, ...whyMisfit(trace), howToFit(root, origin, trace)].join('\n'),
});

export const runtimeTxtDeprecated = (root: string, minor: string): Notice => ({
  code: 'runtime-txt::deprecated',
  text: [
    `The file ${inRoot(root, 'runtime.txt')} is deprecated, and a later release will refuse it. Use .python-version, which other tools also read:`,
    '',
    howToSetVersion(root, minor, 'runtime.txt'),
  ].join('\n'),
});

export function deprecatedMinor(
  root: string,
  minor: string,
  status: { readonly endOfLifeMonth?: string; readonly endedUpstream: boolean; readonly refusedFrom?: string },
  origin: Origin,
): Notice {
  const { endOfLifeMonth, endedUpstream, refusedFrom } = status;
  const month = endOfLifeMonth === undefined ? undefined : monthName(endOfLifeMonth);
  return {
    code: 'python-version::deprecated',
    text: [
      `Python ${minor} is deprecated.`,
      ...(month === undefined
        ? []
        : [`Upstream security fixes ${endedUpstream ? `ended in ${month}` : `end in ${month}`}.`]),
      ...(refusedFrom === undefined ? [] : [`From ${dayName(refusedFrom)}, builds with it fail.`]),
      `Upgrade in ${placeOf(root, origin)} as soon as you can.`,
    ].join('\n'),
  };
}

export const patchUpdate = (root: string, version: string, newest: string, origin: Origin): Notice => ({
  code: 'python-version::patch-update',
  text: [
    `A newer patch of Python ${version} is available: ${newest}.`,
    'Patches contain fixes, including security fixes.',
    `Set ${newest.split('.').slice(0, 2).join('.')} instead of ${version} in ${placeOf(root, origin)} to get the newest patch in each build.`,
  ].join('\n'),
});

const MONTHS = 'January February March April May June July August September October November December'.split(' ');

function monthName(month: string): string {
  const [year, number] = month.split('-');
  return `${MONTHS[Number(number) - 1]} ${year}`;
}
function dayName(date: string): string {
  const [year, month, day] = date.split('-');
  return `${Number(day)} ${MONTHS[Number(month) - 1]} ${year}`;
}
