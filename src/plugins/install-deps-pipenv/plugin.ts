// Installs the packages of a Pipfile.lock with Pipenv, into the Python of the slug.

import { posix } from 'node:path';
import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type {
  NodeOf,
  PackageAccess,
  Plugin,
  ReadsPromise,
  RunContext,
  RunPromise,
  ViewReader,
} from '../../engine/sdk.js';
import { readPipfileLock, type PipfileLockContent } from '../../manifests/app/pipfile-lock-packages.js';
import { firstMisencoded } from '../shared/app/file-encoding.js';
import { literalPattern } from '../shared/app/literal-pattern.js';
import { nearestWith, tellFolder } from '../shared/app/project-folder.js';
import { readingFact, sourcesOf, tellReadingAll, type ProjectSources } from '../shared/app/project-sources.js';
import { inRoot, rootIn } from '../shared/app/root.js';
import { defaultIndex, withoutUserinfo } from '../shared/install/index-url.js';
import { installPackages, type InstalledOutputs as Outputs } from '../shared/install/install-packages.js';
import { planPackages } from '../shared/install/package-plan.js';
import { runWithDownloads } from '../shared/install/kept-downloads.js';
import { policyFact } from '../shared/install/policy-fact.js';
import { runInstaller } from '../shared/install/run-installer.js';
import { pythonToolCommand } from '../shared/install/tool-command.js';
import { compilerEnvironment, isolatedEnvironment, readableLineOf } from '../shared/pip/command.js';
import { forgetLocalWheels } from '../shared/pip/local-wheels.js';
import { pythonHome } from '../shared/python/home.js';
import { CODE, fileMissing, pathsOutside, pipenvFailed, unreadableLock, variablesUnset } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { readPipLog } from './pip-log.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = {
  /** Whether to install the packages for development. */
  readonly develop: boolean;
  /** Name -> locked version. The key already covers the file; `why` uses this to name the packages that changed. */
  readonly packages: Readonly<Record<string, string>>;
  /** The folder in which Pipenv starts, if that is above the root. */
  readonly folder?: string;
  /** Folders and files of the app from which packages are installed. */
  readonly localPaths: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** App variables in the URLs of the indexes. */
  readonly variables: readonly string[];
  /** Those written as `${NAME}`, which can only be variables. */
  readonly braced?: readonly string[];
  /** URLs with their variables filled in, all without user and password. */
  readonly sources: readonly string[];
  readonly index?: string;
  readonly extraIndexes?: string;
  /** If packages are built, all of them may be shared. */
  readonly sharesBuilds?: boolean;
  /** Digest of the operator's package policy. */
  readonly policy?: string;
};

const EXTRA_INDEX = 'PIP_EXTRA_INDEX_URL';
const VARIABLE = /\$(?:\{(\w+)\}|(\w+))/g;
/** The temporary file in which Pipenv lists the packages for pip. */
const TEMPORARY_FILE = / \(from -r \S[^()]*pipenv-\w+-(?:hashed-)?reqs\.txt \(line \d+\)\)/;

@injectable()
export class InstallDepsPipenv implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const folder = await nearestWith(view, config.root, 'Pipfile.lock');
    const pipfile = inRoot(folder, 'Pipfile');
    const lockfile = inRoot(folder, 'Pipfile.lock');
    const [asked, locked] = await Promise.all([view.read(pipfile), view.read(lockfile)]);
    if (locked === undefined) return fail(fileMissing(lockfile, pipfile));
    if (asked === undefined) return fail(fileMissing(pipfile, lockfile));
    const misencoded = firstMisencoded(CODE, [
      [pipfile, asked],
      [lockfile, locked],
    ]);
    if (misencoded !== undefined) return fail(misencoded);
    const develop = view.run.mode === 'test';
    const lock = readPipfileLock(locked, { develop });
    if (lock === undefined) return fail(unreadableLock(lockfile));
    const local = localPaths(lock, inRoot(folder, ''));
    if (local.outside.length > 0) return fail(pathsOutside(lockfile, local.outside));

    const sources = await sourcesOf(view, local.inside, { isLocked: false });
    const files = [...[pipfile, lockfile].map(literalPattern), ...sources.patterns];
    const text = lock.sources.join('\n');
    const variables = [...text.matchAll(VARIABLE)].map(([, braced, bare]) => braced ?? bare ?? '');
    const braced = new Set([...text.matchAll(VARIABLE)].flatMap(([, name]) => name ?? []));
    const filled = text.replaceAll(VARIABLE, (name, braced?: string, bare?: string) => {
      return view.env(braced ?? bare ?? '') ?? name;
    });
    const index = defaultIndex(config, this.services.host);
    const extraIndexes = view.env(EXTRA_INDEX);
    // The lock does not contain what [build-system] of the Pipfile installs before builds.
    const isPinned =
      lock.packages.every(({ isHashed }) => isHashed) && !/^[ \t]*\[build-system\]/m.test(asked.toString());
    // Variables are about logins, and an index can answer each user differently.
    const sharesBuilds = isPinned && local.inside.length === 0 && variables.length === 0 && extraIndexes === undefined;
    const facts: Facts = {
      develop,
      packages: Object.fromEntries(lock.packages.map(({ name, version }) => [name, withoutUserinfo(version)])),
      ...(folder !== config.root && { folder }),
      localPaths: local.inside,
      ...(sharesBuilds && { sharesBuilds }),
      ...readingFact(sources),
      variables: [...new Set(variables)].sort(),
      ...(braced.size > 0 && { braced: [...braced].sort() }),
      // URLs may contain a password, so facts have them without it, and `run` looks them up again.
      sources: filled.split('\n').map(withoutUserinfo),
      ...(index !== undefined && { index: withoutUserinfo(index) }),
      ...(extraIndexes !== undefined && { extraIndexes: withoutUserinfo(extraIndexes) }),
      ...policyFact(this.services.host),
    };
    return succeed({
      files: [...new Set(files)].sort(),
      facts,
      ...(!isPinned && { scope: 'app' as const }),
      // A digest doesn't say whether it is that of a wheel.
      ...(sharesBuilds && { usesBuilder: 'maybe' as const }),
    });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { facts } = context;
    const { files, log, subprocess } = this.services;
    const { cache, scratch } = files.of(context);
    const unset = (facts.braced ?? []).filter((name) => (valueOf(context, name) ?? '') === '');
    if (unset.length > 0) return fail(variablesUnset(inRoot(config.root, 'Pipfile'), unset));
    const { localPaths, sharesBuilds = false } = facts;
    const install = { vendorDir: config.vendorDir, builtIn: localPaths, sharesBuilds, trustsCache: false };
    return installPackages(this.services, context, install, async (python) => {
      const options = ['install', '--deploy', ...(facts.develop ? ['--dev'] : [])];
      const shown = ['pipenv', ...options].join(' ');
      log.step(context, `Installing dependencies using '${shown}'`);
      const root = facts.folder ?? config.root;
      tellFolder(log, context, config.root, inRoot(root, 'Pipfile.lock'));
      tellReadingAll(log, context, facts.readingAll);
      const argv = [...pythonToolCommand(context, files, 'pipenv', python).argv, ...options];
      const values = await this.#values(context);
      const access = await this.#openGate(config, context, values);
      const env = { ...values, ...this.#environment(config, context, access), ...access.env };
      const line = (text: string): string => readableLineOf(context, text.replace(TEMPORARY_FILE, ''));
      const exit = await runWithDownloads(cache, 'pip', () =>
        runInstaller(subprocess, context, { argv, root, env, line }),
      );
      forgetLocalWheels(context, cache, 'pip');
      if (!exit.ok) return exit;
      const pip = await readPipLog(scratch, 'pip.log');
      if (exit.value.exitCode !== 0) {
        for (const printed of pip.failedBuild) log.info(context, printed);
        return fail(access.explain(pipenvFailed(shown, exit.value, pip, { place: context, minor: python.minor })));
      }
      for (const said of pip.lines) if (said.startsWith('Successfully installed ')) log.info(context, said);
      return succeed({ builtFromSource: pip.builtFromSource });
    });
  }

  /** The values of variables in the URLs of indexes, as Pipenv gets them: secrets may be stand-ins. */
  async #values(context: RunContext<Facts>): Promise<Readonly<Record<string, string>>> {
    const pairs = context.facts.variables.map(async (name) => {
      const value = valueOf(context, name);
      return value === undefined ? [] : [[name, await this.services.packages.hide(context, value)] as const];
    });
    return Object.fromEntries((await Promise.all(pairs)).flat());
  }

  async #openGate(
    config: Node['config'],
    context: RunContext<Facts>,
    values: Readonly<Record<string, string>>,
  ): Promise<PackageAccess> {
    const { view, facts } = context;
    const lockfile = inRoot(facts.folder ?? config.root, 'Pipfile.lock');
    const lock = readPipfileLock((await view.read(lockfile)) ?? Buffer.alloc(0), { develop: facts.develop });
    const sources = (lock?.sources ?? []).map((url) =>
      url.replaceAll(VARIABLE, (name, braced?: string, bare?: string) => values[braced ?? bare ?? ''] ?? name),
    );
    const plan = await planPackages(view, {
      index: defaultIndex(config, this.services.host),
      indexes: [...sources, view.env(EXTRA_INDEX)],
      from: [lockfile],
    });
    return this.services.packages.open(context, plan);
  }

  #environment(
    config: Node['config'],
    context: RunContext<Facts>,
    access: PackageAccess,
  ): Readonly<Record<string, string>> {
    const python = `${context.paths.app}/${pythonHome(config.vendorDir)}`;
    const shown = (urls: string | undefined) => (urls === undefined ? undefined : access.indexUrl(urls));
    const index = shown(defaultIndex(config, this.services.host));
    const extraIndexes = shown(context.view.env(EXTRA_INDEX));
    const { facts } = context;
    return {
      ...compilerEnvironment(context, python),
      ...isolatedEnvironment(context, this.services.files, { extraIndexes }),
      NO_COLOR: '1',
      // Pipenv installs into the first Python on the path.
      PATH: `${python}/bin:${context.env['PATH'] ?? '/usr/bin:/bin'}`,
      PIPENV_CACHE_DIR: `${context.paths.cache}/pip`,
      PIPENV_DONT_LOAD_ENV: '1',
      PIPENV_DONT_USE_ASDF: '1',
      PIPENV_DONT_USE_PYENV: '1',
      PIPENV_NOSPIN: '1',
      // Without this, Pipenv also searches the folders above the app.
      PIPENV_PIPFILE: `${rootIn(context.paths.app, facts.folder ?? config.root)}/Pipfile`,
      PIPENV_SYSTEM: '1',
      PIPENV_VERBOSITY: '-1',
      PIP_LOG: `${context.paths.scratch}/pip.log`,
      PIP_NO_COMPILE: '1',
      PIP_NO_WARN_SCRIPT_LOCATION: '1',
      PIP_PROGRESS_BAR: 'off',
      PIP_SRC: `${python}/src`,
      VIRTUAL_ENV: python,
      ...(index !== undefined && { PIPENV_PYPI_MIRROR: index }),
    };
  }
}

/** The value of an app variable, otherwise of a variable that the node sets. */
const valueOf = ({ view, env }: RunContext<Facts>, name: string): string | undefined => view.env(name) ?? env[name];

/** App-relative, sorted. `folder`: the folder of the lock. */
function localPaths(
  lock: PipfileLockContent,
  folder: string,
): { readonly inside: readonly string[]; readonly outside: readonly string[] } {
  const inside = new Set<string>();
  const outside: string[] = [];
  for (const { localPath } of lock.packages) {
    if (localPath === undefined) continue;
    const path = posix.normalize(posix.join(folder, localPath)).replace(/(?<=.)\/$/, '');
    if (localPath.startsWith('/') || path === '..' || path.startsWith('../')) outside.push(localPath);
    else inside.add(path);
  }
  return { inside: [...inside].sort(), outside };
}
