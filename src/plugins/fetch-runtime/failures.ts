// The failures of the kind `fetch-runtime`.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastLines } from '../shared/python/failures.js';
import type { Interpreter } from '../shared/python/interpreters.js';

/** Why a provider has no runtime. */
export interface ProviderMiss {
  readonly provider: string;
  readonly reason: string;
  /** The host did not answer; a later try may succeed. */
  readonly isTemporary: boolean;
  /** It follows from what is in the key, so the result of the next provider is as good as that of the first. */
  readonly isCertain: boolean;
  /** There may be an archive, but its digest is not pinned. */
  readonly isUnpinned?: true;
}

/** Every provider failed. */
export const noProvider = (version: string, isExact: boolean, misses: readonly ProviderMiss[]): Failure => {
  const isTemporary = misses.some((miss) => miss.isTemporary);
  const isListed = (provider: string): boolean => misses.some((miss) => miss.provider === provider);
  const mirrors = [
    ...(isListed('python-build-standalone') ? ['PYFLOW_PYTHON_MIRROR'] : []),
    ...(isListed('scalingo') && isTemporary ? ['PYFLOW_SCALINGO_MIRROR'] : []),
  ].join(' or ');
  const steps = [
    ...(isTemporary ? ['Try again when the download host answers'] : []),
    ...(mirrors === '' ? [] : [`Name a mirror ${isTemporary ? '' : 'that has this version '}with ${mirrors}`]),
    ...(misses.some((miss) => miss.isUnpinned) ? [HOW_TO_PIN] : []),
    isExact
      ? `Install CPython ${version} on this machine (for example with \`pyenv install ${version}\`) for the provider \`system\`, or ask for the minor version only, to accept any patch`
      : `Install a CPython of the same minor version on this machine (for example with \`pyenv install ${version}\`) for the provider \`system\``,
  ];
  return {
    code: 'install-python',
    blame: 'environment',
    title: `Python ${version} could not be installed`,
    ...(misses[0] && { subject: firstLine(misses[0].reason) }),
    detail: misses.map((miss) => `${miss.provider}: ${miss.reason}`).join('\n'),
    remedy:
      steps.length === 1
        ? `${steps[0]}.`
        : ['Do one of these:', ...steps.map((step, index) => `${index + 1}. ${step}.`)].join('\n'),
    ...(isTemporary && { retryable: true }),
  };
};

const HOW_TO_PIN =
  'If you trust the source of the archive, pin it with `pyflow catalogue pin URL --pins FILE` and set PYFLOW_PINS=FILE';
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

/** The platform's archives are the only provider, and this one is not pinned. */
export const unpinned = (version: string, misses: readonly ProviderMiss[]): Failure => ({
  code: 'install-python',
  blame: 'pipeline',
  title: `Python ${version} of the platform has no pinned digest, so pyflow does not install it`,
  detail: misses.map((miss) => `${miss.provider}: ${miss.reason}`).join('\n'),
  remedy: `${HOW_TO_PIN}. Or add another provider to the list.`,
});

/** pyflow knows of no build of this version for this machine, and none is installed. */
export const unknownPatch = (version: string, platform: string, misses: readonly ProviderMiss[]): Failure => ({
  code: 'python-version::unknown-patch',
  blame: 'app',
  title: `Python ${version} is not available for ${platform}`,
  subject: version,
  detail: misses.map((miss) => `${miss.provider}: ${miss.reason}`).join('\n'),
  remedy: 'Check that the version exists, or ask for the minor version only to get its newest patch.',
});

export const downloadFailed = (version: string, url: string, cause: Failure): Failure => ({
  code: 'install-python',
  blame: cause.blame,
  title: `Downloading Python ${version} failed: ${cause.title}`,
  subject: cause.title,
  detail: [`Archive: ${withoutUser(url)}`, `Cause: ${cause.code}`, cause.detail].join('\n'),
  remedy: cause.remedy,
  ...(cause.retryable && { retryable: true }),
});

export const badMirror = (setting: string, mirror: string, replaces: string): Failure => ({
  code: 'install-python',
  blame: 'environment',
  title: `PYFLOW_${setting} is not a valid mirror URL`,
  detail: `Its value is \`${withoutUser(mirror)}\`. It must be an http, https or file URL.`,
  remedy: `Fix the variable. It replaces ${replaces}.`,
});

export const unfitRuntime = (version: string, provider: string, problem: string): Failure => ({
  code: 'runtime::not-relocatable',
  blame: 'environment',
  title: `Python ${version} from ${provider} cannot be moved into the slug`,
  detail: problem,
  remedy: 'Use another provider for this node, or another build of this version.',
});

export const privatePathLeft = (version: string, found: readonly string[]): Failure => ({
  code: 'runtime::private-path',
  blame: 'internal',
  title: `Python ${version} still contains paths of this machine`,
  detail: found.join('\n'),
  remedy: 'Report this with the version and the source of the interpreter. Until it is fixed, try another provider.',
});

export const selfCheckFailed = (version: string, problem: string, exit?: CommandExit): Failure => ({
  code: 'runtime::self-check',
  blame: 'environment',
  title: `The installed Python ${version} does not work`,
  detail: [problem, ...(exit === undefined ? [] : [lastLines(exit)])].filter(Boolean).join('\n'),
  remedy:
    'Try another provider. The build may be damaged, or a library that it needs may be missing on this machine or in the sandbox.',
});

export const describeInterpreter = ({ version, prefix, refusal }: Interpreter): string =>
  refusal === undefined ? `${version} at ${prefix}` : `${version} at ${prefix} (refused: it ${refusal})`;

const withoutUser = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
