// Makes the failure of an installer from the end of its log.

import type { CommandExit, Failure } from '../../../engine/sdk.js';
import { lastLines } from '../python/failures.js';
import { gitTroubleTitle, SAYS_NOTHING, TROUBLE_TITLES } from './install-log-patterns.js';
import { judgeInstallLog, type LogVerdict } from './install-log.js';
import { adviseMiss, describeMiss, pythonMiss } from './python-misses.js';
import { pathsShower, type ShownPlace } from './shown-paths.js';

export interface FailedInstall {
  /** `install-dependencies::pip`. */
  readonly code: string;
  /** Its name in messages. */
  readonly tool: string;
  readonly command: string;
  readonly exit: CommandExit;
  /** The output of a second query of the index. */
  readonly elsewhere?: readonly string[];
  /** The remedy if there is no better one. */
  readonly remedy: string;
  /** The place of the locked digests, for example `the requirements`. */
  readonly digestsIn: string;
  /** The error lines of the tool, if they can't be recognized by a mark. */
  readonly errors?: readonly string[];
  /** Error lines of the tool about files of the app. */
  readonly words?: readonly KnownWord[];
  /** The output of a build, if the tool writes it elsewhere. */
  readonly buildOutput?: readonly string[];
  /** The folders of the node, which messages show as paths of the app. */
  readonly place?: ShownPlace;
  /** X.Y of the Python of the build. */
  readonly minor?: string;
  /** Other places than .python-version in which the app may set the version. */
  readonly pythonAlsoIn?: string;
}

export interface KnownWord {
  /** Matched against trimmed lines. */
  readonly pattern: RegExp;
  readonly title: string;
  /** May depend on the line. */
  readonly remedy: string | ((match: RegExpExecArray) => string);
}

export function installFailed(failed: FailedInstall): Failure {
  const show = pathsShower(failed.place);
  const { title, detail, ...rest } = judged(failed);
  return {
    ...rest,
    title: show(title),
    detail: detail
      .split('\n')
      .map((line) => shorter(show(line)))
      .join('\n'),
  };
}

function judged(failed: FailedInstall): Failure {
  const { code, tool, exit, minor } = failed;
  const verdict = judgeInstallLog(exit.lines, failed.elsewhere, failed.buildOutput);
  const { cause, trouble, tampered, login, causes } = verdict;
  const errors = telling(failed.errors ?? verdict.errors, causes);
  const detail = (lines: readonly string[]): string => [...new Set(lines)].join('\n') || lastLines(exit);
  if (cause !== undefined) {
    return {
      code,
      blame: 'app',
      title: cause.title,
      subject: cause.subject,
      detail: detail([...causes, `Known cause: ${cause.id}`, ...errors]),
      remedy: cause.remedy,
    };
  }
  if (trouble !== undefined) return troubled(failed, trouble, detail([trouble.line, ...errors]));
  if (tampered !== undefined) {
    return {
      code,
      blame: 'app',
      title: `A package does not match its digest in ${failed.digestsIn}`,
      detail: (failed.errors ?? tampered).join('\n'),
      remedy:
        'If you changed the version, update its digests (with a lockfile, lock again). Otherwise the file at the index has changed: do not install it until you know why.',
    };
  }
  if (login !== undefined) {
    return {
      code,
      blame: 'app',
      title: 'A package index requires a login, or rejected the one it got',
      detail: detail([login, ...errors]),
      remedy:
        'Set user and password in PYFLOW_INDEX for the default index. For another index, set the variables that the tool reads, and list them in `secrets` of the node. Do not write them to a file of the app.',
    };
  }
  const word = knownWord(failed);
  if (word !== undefined) return { code, blame: 'app', ...word, detail: detail([...causes, ...errors]) };
  const command = `Command: ${failed.command}, status ${exit.exitCode}`;
  const miss = minor === undefined ? undefined : pythonMiss([...exit.lines, ...(failed.elsewhere ?? [])]);
  if (miss !== undefined && minor !== undefined) {
    return {
      code,
      blame: 'app',
      title: describeMiss(miss, minor),
      detail: detail([command, ...errors]),
      remedy: adviseMiss(miss, minor, failed.pythonAlsoIn),
    };
  }
  return {
    code,
    blame: 'app',
    title: `${tool} could not install the dependencies`,
    detail: detail([...causes, command, ...errors]),
    remedy: causes.length > 0 ? buildRemedy(failed.remedy) : failed.remedy,
  };
}

function troubled(
  { code, tool }: FailedInstall,
  { kind, gitHost }: NonNullable<LogVerdict['trouble']>,
  detail: string,
): Failure {
  const what = gitHost === undefined ? TROUBLE_TITLES[kind] : gitTroubleTitle(kind, gitHost);
  const where = gitHost === undefined ? 'the package index' : gitHost;
  return {
    code,
    blame: 'environment',
    title: `${tool} could not install the dependencies: ${what}`,
    detail,
    remedy:
      kind === 'disk-full'
        ? 'Free space on the disk of the cache folder, then try again.'
        : `Try again later. If it fails again, check ${where} and the network.`,
    retryable: true,
  };
}

function knownWord({ words = [], exit }: FailedInstall): Pick<Failure, 'title' | 'remedy'> | undefined {
  for (const { pattern, title, remedy } of words) {
    for (const line of exit.lines) {
      const match = pattern.exec(line.trim());
      if (match !== null) return { title, remedy: typeof remedy === 'string' ? remedy : remedy(match) };
    }
  }
  return undefined;
}

/** Leaves out lines that say nothing, if other lines show the cause. */
function telling(errors: readonly string[], causes: readonly string[]): readonly string[] {
  const some = errors.filter((line) => !SAYS_NOTHING.test(line.trim()));
  return causes.length > 0 || some.length > 0 ? some : errors;
}

const buildRemedy = (remedy: string): string =>
  `The first line is the end of the package's build output; the log above has all of it. ${remedy.replace(/^The log above shows which package caused the problem\. /, '')}`;

const LONG_LIST = /\(from versions: ([^()]{200,})\)?/;
const LONG_IGNORED = /(different python version: )(.{300,})$/;

/** Shortens lists of hundreds of versions to their ends. */
function shorter(line: string): string {
  const ends = (list: string, by: string): string => {
    const all = list.split(by);
    return all.length < 9 ? list : [...all.slice(0, 3), `... ${all.length - 6} more ...`, ...all.slice(-3)].join(by);
  };
  return line
    .replace(LONG_LIST, (_, list: string) => `(from versions: ${ends(list, ', ')})`)
    .replace(LONG_IGNORED, (_, start: string, list: string) => `${start}${ends(list, '; ')}`);
}

export const privatePathLeft = (found: readonly { readonly path: string; readonly text: string }[]): Failure => ({
  code: 'install-dependencies::private-path',
  blame: 'internal',
  title: 'Installed packages contain the path of a folder that exists only during the build',
  detail: found
    .slice(0, 10)
    .map(({ path, text }) => `${path}: ${text}`)
    .join('\n'),
  remedy:
    'This is a bug in pyflow. Report it with the names of the packages. `cache: never` does not help, because the slug would be wrong.',
});

/** `failure`: the failure that it caused. */
export const pythonChanged = (home: string, changed: readonly string[], failure: Failure): Failure => ({
  code: 'install-dependencies::python-changed',
  blame: 'app',
  title: 'A package broke the Python that it was installed into',
  detail: `It no longer works: ${failure.title}. ${failure.detail}\nChanged or removed below ${home}: ${changed.slice(0, 10).join(', ')}${changed.length > 10 ? ` and ${changed.length - 10} more` : ''}`,
  remedy: 'Find the package or build script that writes there, and install a version that does not.',
});
