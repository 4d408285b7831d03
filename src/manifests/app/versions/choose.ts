// Chooses a version of Python from those that fit. What the app sets stays; an open version stays as long as it fits.

import type { WheelMachine } from '../wheel-tags.js';
import { fitVersions, misfit, newestThatFits, type Build, type Fit } from './fit.js';
import type { PythonConstraint, VersionLock } from './lock.js';
import type { Candidate, Choice, VersionTrace } from './trace.js';

interface Wanted {
  readonly minor: string;
  readonly by: 'app' | 'last-build' | 'default';
}

interface Situation {
  readonly wanted: Wanted;
  /** Where the app sets the wanted version. */
  readonly file: string;
  readonly policy: VersionTrace['policy'];
  readonly stack: string;
  readonly machine: WheelMachine;
  /** Oldest first. */
  readonly builds: readonly Build[];
  readonly constraints: readonly PythonConstraint[];
  readonly lock?: VersionLock;
  /** A lockfile that exists but can't be read. */
  readonly unreadable?: string;
}

const PLACES = { 'last-build': 'last build', default: 'default' } as const;

export function traceVersions(situation: Situation): VersionTrace {
  const { wanted, file, policy, stack, machine, lock, unreadable } = situation;
  const fit = fitVersions(situation);
  const { minor, choice } = chooseVersion(fit, wanted, policy);
  const { libc } = machine;
  return {
    chosen: minor,
    choice,
    wanted: wanted.minor,
    from: wanted.by === 'app' ? file : PLACES[wanted.by],
    policy,
    platform: {
      stack,
      machine: machine.machine,
      ...(libc !== undefined && { libc: `${libc.name} ${libc.version}` }),
    },
    ...(lock !== undefined && { lock: lock.file }),
    candidates: fit.candidates,
    notes: [
      ...(unreadable === undefined ? [] : [{ type: 'unreadable-lock', file: unreadable } as const]),
      ...fit.notes,
    ],
  };
}

interface Chosen {
  readonly minor: string;
  readonly choice: Choice;
}

/**
 * The default gives way to a version that fits better. The version of the last build was installed before, so it gives way only if
 * it can't be installed now: a package that compiles has compiled before.
 */
function chooseVersion(fit: Fit, { minor, by }: Wanted, policy: VersionTrace['policy']): Chosen {
  const own = candidateOf(fit, minor);
  const best = newestThatFits(fit);
  if (by === 'app') return { minor, choice: 'set' };
  // A version that is unknown or has no build fails elsewhere, with a text of its own.
  const isFixed = own === undefined || misfit(own) === 3 || best === undefined;
  const isBetter = !isFixed && misfit(best) < misfit(own);
  if (by === 'last-build') {
    return isBetter && misfit(own) === 2 ? { minor: best.minor, choice: 'replaced' } : { minor, choice: 'last-build' };
  }
  if (policy === 'newest-that-fits' && !isFixed && misfit(best) === 0)
    return { minor: best.minor, choice: 'newest-that-fits' };
  return isBetter ? { minor: best.minor, choice: 'replaced' } : { minor, choice: 'default' };
}

export const candidateOf = ({ candidates }: Pick<Fit, 'candidates'>, minor: string): Candidate | undefined =>
  candidates.find((candidate) => candidate.minor === minor);

/** The chosen version can be installed, but does not fit. */
export function isMisfit(trace: Pick<VersionTrace, 'candidates' | 'chosen'>): boolean {
  const own = candidateOf(trace, trace.chosen);
  return own !== undefined && !own.accepted;
}
