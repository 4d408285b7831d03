// The sentences about the choice of a Python.

import { compareMinors } from '../python-version.js';
import { newestThatFits } from './fit.js';
import type { Candidate, Rejection, TraceNote, VersionTrace } from './trace.js';

const MOST_SHOWN = 3;

/** Follows the name of the version: `3.14 rejected: ...`. */
export function reasonText(reason: Rejection, minor: string): string {
  const tag = `cp${minor.replace('.', '')}`;
  switch (reason.type) {
    case 'no-build':
      return 'no build of it is known for this stack and machine';
    case 'excluded':
      return `${reason.file} requires Python ${reason.constraint}`;
    case 'other-environment':
      return `${reason.file} is locked for other environments`;
    case 'package-excludes':
      return `${named(reason)} requires Python ${reason.constraint}`;
    case 'would-compile':
      return `${named(reason)} has no ${tag} wheel for this platform and would compile`;
    case 'no-file':
      return `${named(reason)} has no ${tag} wheel for this platform, and no source archive`;
  }
}

const named = ({ package: name, version }: { readonly package: string; readonly version: string }): string =>
  `${name} ${version}`.trim();

/** Several reasons as one sentence, without a full stop. */
export function reasonsText({ minor, reasons, more = 0 }: Candidate): string {
  const rest = reasons.length - MOST_SHOWN + more;
  const sentences = reasons.slice(0, MOST_SHOWN).map((reason) => reasonText(reason, minor));
  return [...sentences, ...(rest > 0 ? [`${rest} more`] : [])].join('; ');
}

/** The lines of `plan`, `explain` and the report. */
export function traceLines(trace: VersionTrace): readonly string[] {
  const { chosen, candidates, lock, platform, notes } = trace;
  const best = newestThatFits(trace);
  const { stack, machine, libc } = platform;
  return [
    `Python ${chosen}: ${choiceText(trace)}`,
    `for ${stack} on ${machine}${libc === undefined ? '' : ` with ${libc}`}${lock === undefined ? '' : `, with the packages of ${lock}`}`,
    ...candidates.map((candidate) => {
      const { minor, accepted } = candidate;
      if (accepted) return `${minor} ${minor === chosen ? 'chosen: it fits' : 'fits'}`;
      const isNewer = best !== undefined && best.accepted && compareMinors(minor, best.minor) > 0;
      const instead = isNewer ? `; ${best.minor} fits` : '';
      const verdict = minor === chosen ? 'chosen, although' : 'rejected:';
      return `${minor} ${verdict} ${reasonsText(candidate)}${instead}`;
    }),
    ...notes.map(noteText),
  ];
}

function choiceText({ choice, wanted, from, chosen, candidates }: VersionTrace): string {
  switch (choice) {
    case 'set':
      return `set in ${from}`;
    case 'last-build':
      return 'the version of the last build, because the app sets none';
    case 'default':
      return 'the default, because the app sets no version';
    case 'newest-that-fits':
      return 'the newest version that fits, because the app sets none';
    case 'replaced': {
      const fits = candidates.some(({ minor, accepted }) => minor === chosen && accepted);
      const before = from === 'last build' ? 'the version of the last build' : 'the default';
      return `the newest version that ${fits ? 'fits' : 'can be installed'}, because ${before}, ${wanted}, ${fits ? 'does not' : 'cannot'}`;
    }
  }
}

export function noteText(note: TraceNote): string {
  switch (note.type) {
    case 'files-unknown':
      return `${note.file} lists no names of files, so it is unknown which packages have wheels`;
    case 'unreadable-lock':
      return `${note.file} can't be read here, so its packages don't count`;
    case 'unreadable-constraint':
      return `the constraint ${note.constraint} in ${note.file} can't be read, so it doesn't count`;
    case 'no-wheel-anywhere':
      return `built from source with every version: ${[...note.packages, ...(note.more === undefined ? [] : [`${note.more} more`])].join(', ')}`;
  }
}
