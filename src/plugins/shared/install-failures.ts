// Failures of installers, made from the end of their log. Unaware of which tool it was; its name and code are given.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastLines } from './failures.js';
import { judgeInstallLog } from './install-log.js';
import { TROUBLE_TITLES } from './install-log-patterns.js';

export interface FailedInstall {
  /** `install-dependencies::pip`. */
  readonly code: string;
  /** As people call it. */
  readonly tool: string;
  readonly command: string;
  readonly exit: CommandExit;
  /** What the index says when asked again. */
  readonly elsewhere?: readonly string[];
  /** When nothing better is known. */
  readonly remedy: string;
  /** Where the digests stand that a tampered file does not have: `the requirements`. */
  readonly digestsIn: string;
  /** The lines in which the tool says what is wrong, where they bear no mark of their own. */
  readonly errors?: readonly string[];
  /** What the tool says when the app's own files are the reason. */
  readonly words?: readonly KnownWord[];
}

export interface KnownWord {
  /** Matched against lines without outer blanks. */
  readonly pattern: RegExp;
  readonly title: string;
  readonly remedy: string;
}

export function installFailed(failed: FailedInstall): Failure {
  const { code, tool, exit } = failed;
  const verdict = judgeInstallLog(exit.lines, failed.elsewhere);
  const { cause, trouble, tampered, login } = verdict;
  const errors = failed.errors ?? verdict.errors;
  const detail = (lines: readonly string[]): string => [...new Set(lines)].join('\n') || lastLines(exit);
  if (cause !== undefined) {
    return {
      code,
      blame: 'app',
      title: cause.title,
      subject: cause.subject,
      detail: detail([`Known cause: ${cause.id}`, ...errors]),
      remedy: cause.remedy,
    };
  }
  if (trouble !== undefined) {
    return {
      code,
      blame: 'environment',
      title: `${tool} could not install the dependencies: ${TROUBLE_TITLES[trouble.kind]}`,
      detail: detail([trouble.line, ...errors]),
      remedy:
        trouble.kind === 'disk-full'
          ? 'Make room on the disk that holds the cache folder, then try again.'
          : 'Try again in a while; if it stays, check the package index and the way to it.',
      retryable: true,
    };
  }
  if (tampered !== undefined) {
    return {
      code,
      blame: 'app',
      title: `A package does not have the digest that ${failed.digestsIn} demand${failed.digestsIn.endsWith('s') ? '' : 's'}`,
      detail: (failed.errors ?? tampered).join('\n'),
      remedy:
        'If you changed the version, write down its new digests (a lockfile: lock again). If not, somebody changed the file at the index: do not install it before you know why.',
    };
  }
  if (login !== undefined) {
    return {
      code,
      blame: 'app',
      title: 'A package index asks for a user and password, or refuses those it was given',
      detail: detail([login, ...errors]),
      remedy:
        'Give them to the build: in PYFLOW_INDEX for the default index, else as variables that the tool knows (by `secrets` of the node). Never write them into a file of the app.',
    };
  }
  const word = failed.words?.find(({ pattern }) => exit.lines.some((line) => pattern.test(line.trim())));
  if (word !== undefined) {
    return { code, blame: 'app', title: word.title, detail: detail(errors), remedy: word.remedy };
  }
  return {
    code,
    blame: 'app',
    title: `${tool} could not install the dependencies`,
    detail: detail([`Command: ${failed.command}, status ${exit.exitCode}`, ...errors]),
    remedy: failed.remedy,
  };
}

export const privatePathLeft = (found: readonly { readonly path: string; readonly text: string }[]): Failure => ({
  code: 'install-dependencies::private-path',
  blame: 'internal',
  title: 'Installed packages name a folder that exists during the build only',
  detail: found
    .slice(0, 10)
    .map(({ path, text }) => `${path}: ${text}`)
    .join('\n'),
  remedy:
    'Report this with the names of the packages. `cache: never` on the node does not help: the slug would be wrong.',
});

/** `failure`: what came of it. */
export const pythonChanged = (home: string, changed: readonly string[], failure: Failure): Failure => ({
  code: 'install-dependencies::python-changed',
  blame: 'app',
  title: 'A package changed the Python that it was installed into',
  detail: `It no longer works: ${failure.title}. ${failure.detail}\nChanged or removed below ${home}: ${changed.slice(0, 10).join(', ')}${changed.length > 10 ? ` and ${changed.length - 10} more` : ''}`,
  remedy: 'Find the package or build script that writes there, and install a version that does not.',
});
