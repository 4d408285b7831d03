// The failures that the kind `fetch-runtime` raises.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastLines } from '../shared/python/failures.js';
import type { Interpreter } from '../shared/python/interpreters.js';

/** Why one provider gave nothing. */
export interface ProviderMiss {
  readonly provider: string;
  readonly reason: string;
  /** The host did not answer: later it may. */
  readonly isTemporary: boolean;
  /** Follows from what the key holds, so that the next provider's result is as good as the first's. */
  readonly isCertain: boolean;
  /** There may be an archive, but nobody pinned it. */
  readonly isUnpinned?: true;
}

/** All providers were tried. */
export const noProvider = (version: string, isExact: boolean, misses: readonly ProviderMiss[]): Failure => {
  const isTemporary = misses.some((miss) => miss.isTemporary);
  const isListed = (provider: string): boolean => misses.some((miss) => miss.provider === provider);
  const mirrors = [
    ...(isListed('python-build-standalone') ? ['PYFLOW_PYTHON_MIRROR'] : []),
    ...(isListed('scalingo') && isTemporary ? ['PYFLOW_SCALINGO_MIRROR'] : []),
  ].join(' or ');
  const steps = [
    ...(isTemporary ? ['try again once the download host answers'] : []),
    ...(mirrors === '' ? [] : [`name a mirror ${isTemporary ? '' : 'that has this version '}with ${mirrors}`]),
    ...(misses.some((miss) => miss.isUnpinned) ? [HOW_TO_PIN] : []),
    isExact
      ? `install CPython ${version} on this machine (for example \`pyenv install ${version}\`) for the provider \`system\`, or ask for the minor version alone, so that any patch will do`
      : `install a CPython of the same minor version on this machine (for example \`pyenv install ${version}\`) for the provider \`system\``,
  ];
  return {
    code: 'install-python',
    blame: 'environment',
    title: `Python ${version} could not be installed`,
    ...(misses[0] && { subject: firstLine(misses[0].reason) }),
    detail: misses.map((miss) => `${miss.provider}: ${miss.reason}`).join('\n'),
    remedy: steps.map((step, index) => `${index === 0 ? capitalized(step) : `Else ${step}`}.`).join(' '),
    ...(isTemporary && { retryable: true }),
  };
};

const HOW_TO_PIN =
  'pin the archive with `pyflow catalogue pin URL --pins FILE`, once you trust where it comes from, and set PYFLOW_PINS=FILE';
const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';
const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The platform's archives are the only provider, and nobody vouches for this one. */
export const unpinned = (version: string, misses: readonly ProviderMiss[]): Failure => ({
  code: 'install-python',
  blame: 'pipeline',
  title: `Python ${version} of the platform cannot be checked, so it is not installed`,
  detail: misses.map((miss) => `${miss.provider}: ${miss.reason}`).join('\n'),
  remedy: `${capitalized(HOW_TO_PIN)}. Or add another provider to the list.`,
});

/** No build of this version exists for this machine, by all that pyflow knows, and none is installed. */
export const unknownPatch = (version: string, platform: string, misses: readonly ProviderMiss[]): Failure => ({
  code: 'python-version::unknown-patch',
  blame: 'app',
  title: `Python ${version} is not available for ${platform}`,
  subject: version,
  detail: misses.map((miss) => `${miss.provider}: ${miss.reason}`).join('\n'),
  remedy: 'Check that the version was released, or ask for the minor version alone to get its newest patch.',
});

export const downloadFailed = (version: string, url: string, cause: Failure): Failure => ({
  code: 'install-python',
  blame: cause.blame,
  title: `The archive of Python ${version} could not be fetched: ${cause.title}`,
  subject: cause.title,
  detail: [`Archive: ${withoutUser(url)}`, `Cause: ${cause.code}`, cause.detail].join('\n'),
  remedy: cause.remedy,
  ...(cause.retryable && { retryable: true }),
});

export const badMirror = (setting: string, mirror: string, replaces: string): Failure => ({
  code: 'install-python',
  blame: 'environment',
  title: `PYFLOW_${setting} is not a URL that a runtime can be fetched from`,
  detail: `It is \`${withoutUser(mirror)}\`; http, https and file URLs are understood.`,
  remedy: `Correct the variable: it replaces ${replaces}.`,
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
  title: `Python ${version} still names folders of this machine`,
  detail: found.join('\n'),
  remedy: 'Report this with the version and where the interpreter came from; another provider may do meanwhile.',
});

export const selfCheckFailed = (version: string, problem: string, exit?: CommandExit): Failure => ({
  code: 'runtime::self-check',
  blame: 'environment',
  title: `The installed Python ${version} does not run as it should`,
  detail: [problem, ...(exit === undefined ? [] : [lastLines(exit)])].filter(Boolean).join('\n'),
  remedy:
    'A library that it needs may be missing on this machine or in the sandbox, or the build is damaged: try another provider.',
});

export const describeInterpreter = ({ version, prefix, refusal }: Interpreter): string =>
  refusal === undefined ? `${version} at ${prefix}` : `${version} at ${prefix} (refused: it ${refusal})`;

const withoutUser = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
