// Installs the packages of a requirements file or a pylock.toml with pip or uv, into the Python of the slug.

import { posix } from 'node:path';
import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type {
  Failure,
  Files,
  NodeOf,
  PackageAccess,
  Plugin,
  ReadsPromise,
  RunContext,
  RunPromise,
  ViewReader,
} from '../../engine/sdk.js';
import { isPylockName } from '../../manifests/app/pylock.js';
import { markerEnvironment } from '../../manifests/app/versions/fit.js';
import { HOST_STACK } from '../../manifests/catalogue/stacks.js';
import { nearestWith, tellFolder } from '../shared/app/project-folder.js';
import { readingFact, sourcesOf, tellReadingAll, type ProjectSources } from '../shared/app/project-sources.js';
import { isWantedFile } from '../shared/app/root-listing.js';
import { inRoot, rootIn } from '../shared/app/root.js';
import { defaultIndex, withoutUserinfo } from '../shared/install/index-url.js';
import { installPackages } from '../shared/install/install-packages.js';
import type { InstalledOutputs as Outputs, InstallResult } from '../shared/install/install-packages.js';
import { planPackages } from '../shared/install/package-plan.js';
import { runWithDownloads } from '../shared/install/kept-downloads.js';
import { policyFact } from '../shared/install/policy-fact.js';
import { runInstaller } from '../shared/install/run-installer.js';
import { pipCommand } from '../shared/install/tool-command.js';
import { compilerEnvironment, isolatedEnvironment } from '../shared/pip/command.js';
import { forgetLocalWheels } from '../shared/pip/local-wheels.js';
import type { SlugPython } from '../shared/python/home.js';
import { wheelMachine } from '../shared/python/wheel-target.js';
import { forgetLocalBuilds, indexLogins } from '../shared/uv/command.js';
import { explainFailure } from './failed-install.js';
import { installerSkipped, variablesUnset } from './failures.js';
import { addressesOfFiles, Listed, loginVariables } from './listed.js';
import { DEFAULT_REQUIREMENTS, manifest, type config, type inputs } from './manifest.js';
import { PipOutput } from './pip-output.js';
import { givenFor, readPylock } from './pylock.js';
import { leaveAsPip, uvPipCommand } from './with-uv.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = {
  /** Files for `-r`, in this order; app-relative. */
  readonly requirements: readonly string[];
  /** The folder in which pip starts, if that is above the root. */
  readonly folder?: string;
  /** Folders of the app from which packages are installed. */
  readonly localPaths: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Name -> specifier. The key already covers the files; `why` uses this to name the packages that changed. */
  readonly packages: Readonly<Record<string, string>>;
  /** Variables in the files -> their first use, for example `requirements.txt, line 2`. */
  readonly variables?: Readonly<Record<string, string>>;
  /** If packages are built, all of them may be shared. */
  readonly sharesBuilds?: boolean;
  /** For uv: a requirement has a digest, so all of them must have one. */
  readonly requireHashes?: boolean;
  /** Without user and password. */
  readonly index?: string;
  readonly extraIndexes?: string;
  /** Digest of the operator's package policy. */
  readonly policy?: string;
};

const EXTRA_INDEX = 'PIP_EXTRA_INDEX_URL';

@injectable()
export class InstallDepsPip implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  async reads({ config, inputs }: Node, view: ViewReader): ReadsPromise<Facts> {
    if (inputs[config.installer] === undefined) return fail(installerSkipped(config.installer));
    const { root, file } = await installedFrom(view, config);
    const ofTests = view.run.mode === 'test' ? await nearestWith(view, config.root, config.testRequirements) : root;
    const testRequirements = inRoot(ofTests, config.testRequirements);
    const withTests = view.run.mode === 'test' && (await isWantedFile(view, testRequirements));
    const requirements = [inRoot(root, file), ...(withTests ? [testRequirements] : [])];
    const listed = await Listed.read(view, requirements, root);
    if (!listed.ok) return listed;
    const { packages, variables, swaying, isPinned, hasHashes, hasOnlyArchives } = listed.value;
    const localPaths = [...listed.value.localPaths].sort();
    const sources = await sourcesOf(view, localPaths, { isLocked: false });
    const index = defaultIndex(config, this.services.host);
    const extraIndexes = view.env(EXTRA_INDEX);
    // Files with variables are about logins, and an index can answer each user differently.
    const sharesBuilds =
      isPinned && hasOnlyArchives && localPaths.length === 0 && variables.size === 0 && extraIndexes === undefined;
    const facts: Facts = {
      requirements,
      ...(root !== config.root && { folder: root }),
      localPaths,
      ...readingFact(sources),
      packages,
      ...(sharesBuilds && { sharesBuilds }),
      ...(variables.size > 0 && { variables: Object.fromEntries(variables) }),
      ...(config.installer === 'uv' && { requireHashes: hasHashes || (isPinned && !isPylockName(file)) }),
      // URLs may contain a password, so facts have them without it, and `run` looks them up again.
      ...(index !== undefined && { index: withoutUserinfo(index) }),
      ...(extraIndexes !== undefined && { extraIndexes: withoutUserinfo(extraIndexes) }),
      ...policyFact(this.services.host),
    };
    return succeed({
      files: [...new Set([...listed.value.files, ...sources.patterns])].sort(),
      exists: view.run.mode === 'test' ? [testRequirements] : [],
      facts,
      ...(swaying.size > 0 && { env: [...swaying].sort() }),
      ...(!isPinned && { scope: 'app' as const }),
      // A digest doesn't say whether it is that of a wheel.
      ...(sharesBuilds && { usesBuilder: 'maybe' as const }),
    });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { localPaths, sharesBuilds = false, variables = {} } = context.facts;
    const unset = Object.entries(variables).filter(([name]) => (valueOf(context, name) ?? '') === '');
    if (unset.length > 0) return fail(variablesUnset(unset));
    const install = {
      vendorDir: config.vendorDir,
      builtIn: localPaths,
      sharesBuilds,
      trustsCache: config.installer === 'uv',
    };
    return installPackages(this.services, context, install, (python) => this.#install(config, context, python));
  }

  async #install(config: Node['config'], context: RunContext<Facts>, python: SlugPython): Promise<InstallResult> {
    const { facts } = context;
    const { files, log } = this.services;
    const root = facts.folder ?? config.root;
    tellFolder(log, context, config.root, facts.requirements[0] ?? '');
    tellReadingAll(log, context, facts.readingAll);
    const output = new PipOutput(log, context);
    for (const requirements of separateCommands(facts.requirements)) {
      const listed = requirements.flatMap((file) => ['-r', posix.relative(inRoot(root, ''), file)]);
      const shown = `pip install ${listed.join(' ')}`;
      log.step(context, `Installing dependencies using '${shown}'`);
      for (const given of (await this.#insteadOfLock(config, context, { python, root, requirements })) ?? [listed]) {
        const installing = { python, root, requirements, given, shown, output };
        const failure = await this.#installFiles(config, context, installing);
        if (failure !== undefined) return fail(failure);
      }
    }
    if (config.installer === 'uv') {
      await leaveAsPip(files.of(context).app, python, new Set(Object.keys(facts.packages)));
    }
    return succeed({ builtFromSource: output.builtFromSource });
  }

  async #installFiles(
    config: Node['config'],
    context: RunContext<Facts>,
    { python, root, requirements, given, shown, output }: Installing,
  ): Promise<Failure | undefined> {
    const { files, subprocess } = this.services;
    const { cache } = files.of(context);
    const values = await this.#values(context, root);
    const valueIn = (name: string): string | undefined => values[name] ?? valueOf(context, name);

    const tool = config.installer;
    const { access, named, logins } = await this.#openGate(config, context, root, valueIn);
    const install = { home: python.home, files: given, named, access, logins };
    const { argv, env: own } = this.#command(config, context, install);
    const env = { ...own, ...access.env };
    const exit = await runWithDownloads(cache, tool, () =>
      runInstaller(subprocess, context, { argv, root, env: { ...values, ...env }, line: (text) => output.line(text) }),
    );
    if (tool === 'uv') forgetLocalBuilds(context, cache);
    else forgetLocalWheels(context, cache, 'pip');
    if (!exit.ok) return exit.failure;
    if (exit.value.exitCode === 0) return undefined;
    const failure = await explainFailure(subprocess, context, {
      tool,
      command: shown,
      exit: exit.value,
      python,
      root: config.root,
      files: requirements,
      valueOf: valueIn,
      env: { ...env, ...named },
    });
    return access.explain(failure);
  }

  /** Options for each command that replaces the install from a lockfile. Undefined if the tool reads the file itself. */
  async #insteadOfLock(
    config: Node['config'],
    context: RunContext<Facts>,
    { python, root, requirements: [file = ''] }: Pick<Installing, 'python' | 'root' | 'requirements'>,
  ): Promise<readonly (readonly string[])[] | undefined> {
    const read = isPylockName(file) ? await readPylock(context.view, file) : undefined;
    if (read?.ok !== true) return undefined;
    const machine = wheelMachine(this.services.host, HOST_STACK);
    const given = givenFor(read.value.bytes, read.value.lock, {
      tool: config.installer,
      environments: ['0', '99'].map((patch) => markerEnvironment(machine, python.minor, `${python.minor}.${patch}`)),
      isMirrored: defaultIndex(config, this.services.host) !== undefined,
      folder: rootIn(context.paths.app, root),
    });
    return given?.map(({ name, text, options }) => {
      this.services.files.of(context).given.write(name, text);
      return [...options, '-r', `${context.paths.given}/${name}`];
    });
  }

  /** The values of variables in the files, as pip gets them: logins may be stand-ins. */
  async #values(context: RunContext<Facts>, root: string): Promise<Readonly<Record<string, string>>> {
    const { variables = {}, requirements } = context.facts;
    const names = Object.keys(variables);
    if (names.length === 0) return {};
    const logins = await loginVariables(context.view, requirements, root);
    const pairs = names.map(async (name) => {
      const value = valueOf(context, name) ?? '';
      return [name, logins.has(name) ? await this.services.packages.hide(context, value) : value] as const;
    });
    return Object.fromEntries(await Promise.all(pairs));
  }

  async #openGate(
    config: Node['config'],
    context: RunContext<Facts>,
    root: string,
    valueIn: (name: string) => string | undefined,
  ): Promise<Pick<InstallCommand, 'access' | 'named' | 'logins'>> {
    const { view, facts } = context;
    const { env: named, links, files } = await addressesOfFiles(view, facts.requirements, root, valueIn);
    const plan = await planPackages(view, {
      index: defaultIndex(config, this.services.host),
      indexes: [named['PIP_INDEX_URL'], named['PIP_EXTRA_INDEX_URL'], view.env(EXTRA_INDEX)],
      links,
      files,
      from: facts.requirements.filter((file) => file.endsWith('.toml')),
    });
    const { packages } = this.services;
    const logins = config.installer === 'uv' ? await indexLogins(this.services, context) : {};
    return { access: await packages.open(context, plan), named, logins };
  }

  /** `named`: the indexes that the files name. */
  #command(
    config: Node['config'],
    context: RunContext<Facts>,
    { home, files, named, access, logins }: InstallCommand,
  ): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
    const shown = (urls: string | undefined) => (urls === undefined ? undefined : access.indexUrl(urls));
    const index = shown(defaultIndex(config, this.services.host));
    const command = { home, files, extraIndexes: shown(context.view.env(EXTRA_INDEX)) };
    if (config.installer === 'pip') return pipInstallCommand(context, this.services.files, { ...command, index });
    return uvPipCommand(context, this.services.files, {
      ...command,
      access,
      logins,
      requireHashes: context.facts.requireHashes === true,
      // For pip an index in a file overrides the variable; for uv the variable overrides the file.
      index: named['PIP_INDEX_URL'] === undefined ? index : undefined,
    });
  }
}

interface InstallCommand {
  readonly home: string;
  readonly files: readonly string[];
  readonly named: Readonly<Record<string, string>>;
  readonly access: PackageAccess;
  /** Variables of uv with logins. */
  readonly logins: Readonly<Record<string, string>>;
}

interface Installing {
  readonly python: SlugPython;
  /** The folder in which pip starts. */
  readonly root: string;
  /** Files of the app for one command. */
  readonly requirements: readonly string[];
  /** Options that name what to install. */
  readonly given: readonly string[];
  /** The command, for people. */
  readonly shown: string;
  readonly output: PipOutput;
}

const PYLOCK = 'pylock.toml';

/** The nearest folder with the requirements file or, if that isn't named in the config, with a pylock.toml. */
async function installedFrom(
  view: ViewReader,
  { root, requirements }: Node['config'],
): Promise<{ readonly root: string; readonly file: string }> {
  const folder = await nearestWith(view, root, requirements);
  if (requirements !== DEFAULT_REQUIREMENTS || (await isWantedFile(view, inRoot(folder, requirements)))) {
    return { root: folder, file: requirements };
  }
  const locked = await nearestWith(view, root, PYLOCK);
  const isThere = await isWantedFile(view, inRoot(locked, PYLOCK));
  return isThere ? { root: locked, file: PYLOCK } : { root: folder, file: requirements };
}

/** pip and uv accept no other file beside a pylock.toml. */
const separateCommands = ([first = '', ...others]: readonly string[]): readonly (readonly string[])[] =>
  isPylockName(first) && others.length > 0 ? [[first], others] : [[first, ...others]];

/** Of an app variable, else of one that the node sets. */
const valueOf = ({ view, env }: RunContext<Facts>, name: string): string | undefined => view.env(name) ?? env[name];

function pipInstallCommand(
  context: RunContext,
  files: Files,
  options: {
    readonly home: string;
    readonly files: readonly string[];
    readonly index: string | undefined;
    readonly extraIndexes: string | undefined;
  },
): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const python = `${context.paths.app}/${options.home}`;
  return {
    argv: [
      ...pipCommand(context, options.home),
      'install',
      ...options.files,
      `--cache-dir=${context.paths.cache}/pip`,
      '--disable-pip-version-check',
      '--exists-action=w',
      '--no-compile',
      '--no-input',
      '--no-warn-script-location',
      '--progress-bar=off',
      '--root-user-action=ignore',
      `--src=${python}/src`,
    ],
    env: { ...compilerEnvironment(context, python), ...isolatedEnvironment(context, files, options) },
  };
}
