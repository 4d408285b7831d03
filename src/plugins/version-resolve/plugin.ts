// Decides the version of Python. `reads` collects everything that can change the decision as facts: the requested version instead of
// the file, the status of its minor version instead of the date, and the build that was found instead of the catalogue.

import { inject, injectable } from 'inversify';
import compare from 'semver/functions/compare.js';
import { fail, failKnowing, Services, succeed } from '../../engine/sdk.js';
import type {
  Failure,
  FromSchema,
  NodeOf,
  Plugin,
  ReadsPromise,
  Result,
  RunContext,
  RunPromise,
  ViewReader,
} from '../../engine/sdk.js';
import { findPlatformArchive, latestPlatformArchive, type Pins } from '../../manifests/catalogue/platform-archives.js';
import { isMisfit, traceVersions } from '../../manifests/app/versions/choose.js';
import type { Build } from '../../manifests/app/versions/fit.js';
import type { VersionTrace } from '../../manifests/app/versions/trace.js';
import { traceLines } from '../../manifests/app/versions/words.js';
import { acceptedMinors, DEFAULT_MINOR, latestPatch, minorStatus } from '../../manifests/catalogue/python-releases.js';
import { findRuntime, latestRuntime, runtimePlatform } from '../../manifests/catalogue/runtimes.js';
import { inRoot } from '../shared/app/root.js';
import { readPins } from '../shared/archives/platform-pins.js';
import type { Provider } from '../shared/archives/provider-list.js';
import { checkStack } from '../shared/archives/stack-check.js';
import { wheelMachine } from '../shared/python/wheel-target.js';
import { readAppFiles } from './app-files.js';
import {
  endOfLife,
  notAvailable,
  pinnedMisfit,
  unknownMinor,
  unknownPatch,
  uvNeedsVersionFile,
  uvWithRuntimeTxt,
} from './failures.js';
import { manifest, type config, type inputs, type outputs } from './manifest.js';
import {
  deprecatedMinor,
  misfitVersion,
  noVersionGiven,
  patchUpdate,
  replacedVersion,
  runtimeTxtDeprecated,
} from './notices.js';
import type { Notice } from './notices.js';
import type { Origin } from './origin.js';
import { readRequest, type Request } from './request.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Config = Node['config'];
type Outputs = FromSchema<typeof outputs>;

/** Keyed verbatim, so it contains only what decides: no dates, and no lists of other versions. */
type Facts = {
  readonly requested: string;
  readonly minor: string;
  readonly origin: Origin;
  /** The folder of the file, if it is above the root. */
  readonly folder?: string;
  /** The resolved version, or the failure. `run` reports it after the step line, as a reader of the log expects. */
  readonly answer: Resolved | Refused;
};
type Resolved = {
  readonly version: string;
  readonly exact: boolean;
  /** The newest available patch, if it is newer. */
  readonly update?: string;
  readonly deprecated?: {
    readonly endOfLifeMonth?: string;
    readonly endedUpstream: boolean;
    readonly refusedFrom?: string;
  };
  readonly similarFiles: readonly string[];
  readonly trace: VersionTrace;
};
/** `Pick`, since TypeScript takes an interface for no JSON. */
type Refused = { readonly refusal: Pick<Failure, keyof Failure> };

interface Builds {
  /** For messages. */
  readonly platform: string;
  readonly newest: string | undefined;
  has(version: string): boolean;
  /** There may be an archive without a pinned digest. */
  readonly isPinnable: boolean;
}

@injectable()
export class VersionResolve implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'clock' | 'host' | 'log'>) {}

  async reads({ config, inputs }: Node, view: ViewReader): ReadsPromise<Facts> {
    const wrongStack = checkStack(config.stack);
    if (wrongStack !== undefined) return fail(wrongStack);

    const defaultMinor = config.default ?? DEFAULT_MINOR;
    const request = await readRequest(view, config.root, inputs.manager, defaultMinor);
    if (!request.ok) return request;
    const pins = config.providers.includes('scalingo') ? readPins(this.services.host) : succeed({});
    if (!pins.ok) return failKnowing(pins.failure, knownOf(request.value));
    const trace = await this.#trace(view, request.value, { config, manager: inputs.manager, pins: pins.value });
    const chosen = withChosen(request.value, trace);
    const builds = this.#builds(chosen.python.minor, config, pins.value);
    const resolved = this.#resolve(chosen, builds, trace, { config, manager: inputs.manager, defaultMinor });
    const answer = resolved.ok
      ? resolved.value
      : { refusal: { ...resolved.failure, known: { ...knownOf(chosen), ...told(trace) } } };
    const above = chosen.folder === config.root ? {} : { folder: chosen.folder };
    const { text, minor } = chosen.python;
    return succeed({ facts: { requested: text, minor, origin: chosen.origin, ...above, answer } });
  }

  /** Which versions fit the app, and the choice. Only what a provider has can be chosen. */
  async #trace(
    view: ViewReader,
    { python, origin, folder }: Request,
    { config, manager, pins }: { readonly config: Config; readonly manager: string; readonly pins: Pins },
  ): Promise<VersionTrace> {
    const { root, stack, groups, pythonPolicy: policy } = config;
    const minors = acceptedMinors(this.services.clock.now());
    return traceVersions({
      ...(await readAppFiles(view, { root, manager, groups })),
      wanted: { minor: python.minor, by: origin === 'default' || origin === 'cached' ? OPEN[origin] : 'app' },
      file: inRoot(folder, origin),
      policy,
      stack,
      machine: wheelMachine(this.services.host, stack),
      builds: minors.map((minor): Build => {
        const { newest, has } = this.#builds(minor, config, pins);
        const version = minor === python.minor ? (python.version ?? newest) : newest;
        return version === undefined || !has(version) ? { minor } : { minor, version };
      }),
    });
  }

  #resolve(
    { python, origin, folder: root, similarFiles }: Request,
    builds: Builds,
    trace: VersionTrace,
    {
      config,
      manager,
      defaultMinor,
    }: { readonly config: Config; readonly manager: string; readonly defaultMinor: string },
  ): Result<Resolved> {
    const { minor } = python;
    const now = this.services.clock.now();
    const status = minorStatus(minor, now);
    const asked = { root, minor, origin, accepted: acceptedMinors(now), defaultMinor };
    if (status.support === 'end-of-life') return fail(endOfLife(asked));
    if (status.support === 'unknown') return fail(unknownMinor(asked));

    const version = python.version ?? builds.newest;
    if (version === undefined) return fail(notAvailable(minor, builds.platform, builds.isPinnable));
    if (!builds.has(version)) return fail(unknownPatch(root, version, origin, builds));

    if (manager === 'uv' && OPEN_ORIGINS.includes(origin)) return fail(uvNeedsVersionFile(root, minor));
    if (manager === 'uv' && origin === 'runtime.txt') return fail(uvWithRuntimeTxt(root, python.text));
    if (trace.choice === 'set' && config.pinnedMisfit === 'fail' && isMisfit(trace))
      return fail(pinnedMisfit(root, origin, trace));
    const { support, ...dates } = status;
    return succeed({
      version,
      exact: python.version !== undefined,
      similarFiles,
      trace,
      ...(support === 'deprecated' ? { deprecated: dates } : {}),
      ...(builds.newest !== undefined && compare(version, builds.newest) < 0 ? { update: builds.newest } : {}),
    });
  }

  /**
   * The builds of a minor version that the providers have for this machine and stack. The newest is that of the first provider that
   * has any: the order of the list is the operator's preference, and the first provider cannot install the patch of a later one.
   */
  #builds(minor: string, { providers, stack }: Config, pins: Pins): Builds {
    const platform = runtimePlatform(this.services.host);
    const target = { stack, arch: this.services.host.arch };
    const fetchable = providers.filter((provider) => provider !== 'system');
    // The machine may have any patch; only fetch-runtime can find out.
    const anyPatch = fetchable.length < providers.length;
    const newestOf = (provider: Provider): string | undefined =>
      provider === 'scalingo'
        ? latestPlatformArchive(minor, target, pins)?.version
        : platform && latestRuntime(platform, minor)?.version;
    const hasBuild = (provider: Provider, version: string): boolean =>
      provider === 'scalingo'
        ? findPlatformArchive(version, target, pins) !== undefined
        : platform !== undefined && findRuntime(platform, version) !== undefined;
    const [newest = anyPatch ? latestPatch(minor) : undefined] = fetchable.flatMap(
      (provider) => newestOf(provider) ?? [],
    );
    return {
      platform: platform ?? `${this.services.host.os} on ${this.services.host.arch}`,
      newest,
      has: (version) => anyPatch || fetchable.some((provider) => hasBuild(provider, version)),
      isPinnable: fetchable.includes('scalingo'),
    };
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { requested, minor, origin, answer, folder: root = config.root } = context.facts;
    this.services.log.step(context, stepLine(root, requested, origin));
    if ('refusal' in answer) return fail(answer.refusal);

    for (const { code, text } of noticesOf(root, minor, origin, answer)) this.services.log.notice(context, code, text);
    const { version, exact, update, similarFiles, trace } = answer;
    return succeed({
      outputs: {
        python: { version, minor, exact },
        version,
        minor,
        requested,
        origin,
        exact,
        outdated: update !== undefined,
        similarFiles: [...similarFiles],
        ...told(trace),
      },
      state: { python: { minor } },
    });
  }
}

/** The app sets no version. */
const OPEN_ORIGINS: readonly Origin[] = ['default', 'cached', 'newest-that-fits'];
const OPEN = { default: 'default', cached: 'last-build' } as const;

/** The outputs that are known before a version is resolved. */
const knownOf = ({ python, origin, similarFiles }: Request) => ({
  requested: python.text,
  origin,
  exact: python.version !== undefined,
  similarFiles: [...similarFiles],
});

/** The outputs that explain the choice. */
const told = (trace: VersionTrace) => ({ trace: { ...trace }, explanation: [...traceLines(trace)] });

/** The request, for the version that was chosen. */
function withChosen(request: Request, { chosen, choice, wanted }: VersionTrace): Request {
  const isOwn = choice !== 'newest-that-fits' && choice !== 'replaced';
  if (isOwn || chosen === wanted) return request;
  return { ...request, python: { text: chosen, minor: chosen }, origin: 'newest-that-fits' };
}

function stepLine(root: string, requested: string, origin: Origin): string {
  switch (origin) {
    case 'default':
      return `No Python version was specified. Using the default: ${requested}`;
    case 'cached':
      return `No Python version was specified. Using the version of the last build: ${requested}`;
    case 'newest-that-fits':
      return `No Python version was specified. Using the newest that fits the app: ${requested}`;
    default:
      return `Using Python ${requested} specified in ${inRoot(root, origin)}`;
  }
}

/** Ordered: the file, the packages, the minor version, the patch. */
function noticesOf(
  root: string,
  minor: string,
  origin: Origin,
  { version, deprecated, update, trace }: Resolved,
): readonly Notice[] {
  return [
    ...(OPEN_ORIGINS.includes(origin) ? [noVersionGiven(root, minor, origin)] : []),
    ...(trace.choice === 'replaced' ? [replacedVersion(trace)] : []),
    ...(isMisfit(trace) ? [misfitVersion(root, origin, trace)] : []),
    ...(origin === 'runtime.txt' ? [runtimeTxtDeprecated(root, minor)] : []),
    ...(deprecated === undefined ? [] : [deprecatedMinor(root, minor, deprecated, origin)]),
    ...(update === undefined ? [] : [patchUpdate(root, version, update, origin)]),
  ];
}
