// Failures that the package gateway causes or explains.

import type { Failure } from '../failure.js';
import { someOf } from '../files/shown-path.js';
import type { PackageProblem } from './session.js';

export const sandboxNeeded = (mode: string): Failure => ({
  code: 'packages::sandbox-needed',
  blame: 'environment',
  title: `pyflow can't close the network for --packages ${mode}`,
  detail: 'This run has no sandbox, so commands can use the network of the machine.',
  remedy: 'Install bubblewrap (bwrap) and remove `--sandbox none`, or use `--packages open`.',
});

/** The first of these that happened is the cause. */
const ORDER: readonly PackageProblem['type'][] = [
  'wrong-bytes',
  'refused',
  'later',
  'not-recorded',
  'cannot-store',
  'bad-page',
  'closed',
  'unreachable',
];

/** The failure of a package manager with its cause at the gate, if there is one. */
export function explained(failure: Failure, problems: readonly PackageProblem[]): Failure {
  const type = ORDER.find((one) => problems.some((problem) => problem.type === one));
  if (type === undefined) return failure;
  const causes = problems.filter((problem) => problem.type === type);
  const [first] = causes;
  if (first?.type === 'refused') return because(first.failure, failure);
  return {
    ...failureOf(type as OtherProblem['type'], causes),
    detail: `${details(causes)}\n${failure.title}. ${failure.detail}`.trim(),
  };
}

/** A refusal, with the words of the manager that met it. */
export const because = (refused: Failure, { title, known }: Failure): Failure => ({
  ...refused,
  detail: `${refused.detail}\nThe package manager stopped: ${title}.`,
  ...(known !== undefined && { known }),
});

type Cause = Omit<Failure, 'detail'>;
type OtherProblem = Exclude<PackageProblem, { readonly type: 'refused' }>;

function failureOf(type: OtherProblem['type'], causes: readonly PackageProblem[]): Cause {
  const [first] = causes;
  switch (type) {
    case 'wrong-bytes':
      return {
        code: 'packages::wrong-bytes',
        blame: 'app',
        title: 'A package does not match its digest',
        remedy:
          '1. Check who published the file, because it may have been replaced.\n2. If you trust it, lock the packages again, and run pyflow again.',
      };
    case 'later':
      return {
        code: 'packages::later',
        blame: 'app',
        title: 'A package is newer than the time that this build sees',
        remedy: 'Lock the packages as they were then, or choose a later date for `--packages as-of=DATE`.',
      };
    case 'not-recorded':
      return {
        code: 'packages::not-recorded',
        blame: 'app',
        title: 'The record of the last build has no such package',
        remedy: 'Run once with `--packages gateway`, which records what the build needs, and then replay.',
      };
    case 'bad-page':
      return {
        code: 'packages::bad-page',
        blame: 'environment',
        title: 'A package index sent a page that pyflow refuses',
        remedy: 'Check the URL of the index. If it is right, tell its operator.',
      };
    case 'cannot-store':
      return {
        code: 'packages::cannot-store',
        blame: 'environment',
        title: 'The package gateway could not store a file',
        remedy: 'Make room on the disk of the cache, or name another one with `--cache-dir`. Then run again.',
      };
    case 'closed':
      return {
        code: 'packages::network-closed',
        blame: 'app',
        title: 'A package needs the network, which is closed',
        remedy:
          'Use packages that have wheels, or ask the operator of the builder to run with `--packages open`, which leaves the network open.',
      };
    case 'unreachable':
      return {
        code: 'packages::index-unreachable',
        blame: 'environment',
        title: `Can't fetch packages from ${first?.type === 'unreachable' ? first.host : 'an index'}`,
        remedy: 'Check the URL of the index, the network and the proxy variables, then run again.',
      };
  }
}

function details(causes: readonly PackageProblem[]): string {
  const lines = [...new Set(causes.map(lineOf))];
  return lines.length > 5 ? `${lines.slice(0, 5).join('\n')}\n... and ${lines.length - 5} more.` : lines.join('\n');
}

function lineOf(problem: PackageProblem): string {
  switch (problem.type) {
    case 'wrong-bytes':
      return `${problem.url}: expected ${problem.expected}, got ${problem.found}.`;
    case 'refused':
      return problem.failure.title;
    case 'later':
      return problem.text;
    case 'not-recorded':
      return `${problem.url} is not in the record.`;
    case 'bad-page':
      return `${problem.url}: ${problem.why}`;
    case 'closed':
      return `A command tried to reach ${someOf([problem.address])}.`;
    case 'cannot-store':
    case 'unreachable':
      return problem.why;
  }
}
