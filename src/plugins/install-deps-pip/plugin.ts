// Installs the packages of a requirements file with pip, into the Python of the slug.

import { posix } from 'node:path';
import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { Files, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { undecodableAs } from '../../manifests/app/requirements-encoding.js';
import { expand } from '../../manifests/app/requirements-lines.js';
import { readRequirements } from '../../manifests/app/requirements.js';
import { takeSnapshot } from '../shared/app/changes.js';
import { inRoot, rootIn } from '../shared/app/root.js';
import { noPython } from '../shared/python/failures.js';
import { finishInstall, type InstalledOutputs as Outputs } from '../shared/install/finish.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { runWithDownloads } from '../shared/install/kept-downloads.js';
import { forgetLocalWheels } from '../shared/pip/local-wheels.js';
import { literalPattern } from '../shared/app/literal-pattern.js';
import { LocalProjects } from '../shared/install/local-projects.js';
import { compilerEnvironment, isolatedEnvironment } from '../shared/pip/command.js';
import { minorOfPython, pythonHome } from '../shared/python/home.js';
import { nearestWith, tellFolder } from '../shared/app/project-folder.js';
import { readingFact, sourcesOf, tellReadingAll, type ProjectSources } from '../shared/app/project-sources.js';
import { isWantedFile } from '../shared/app/root-listing.js';
import { pipCommand } from '../shared/install/tool-command.js';
import { forgetLocalBuilds } from '../shared/uv/command.js';
import { explainFailure } from './failed-install.js';
import { installerSkipped, undecodableRequirements, unreadableRequirements, variablesUnset } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { PipOutput } from './pip-output.js';
import { leaveAsPip, uvPipCommand } from './with-uv.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = {
  /** Files for `-r`, in this order; app-relative. */
  readonly requirements: readonly string[];
  /** Where pip is started, when that is above the root. */
  readonly folder?: string;
  /** Folders of the app that are installed from. */
  readonly localPaths: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Name -> specifier of what is listed; the key has it from the files, `why` names it from here. */
  readonly packages: Readonly<Record<string, string>>;
  /** Variables that the files name, and where first: `requirements.txt, line 2`. */
  readonly variables?: Readonly<Record<string, string>>;
  /** For uv: something has a digest, so everything must. */
  readonly requireHashes?: boolean;
  /** Without user and password. */
  readonly index?: string;
  readonly extraIndexes?: string;
};

const EXTRA_INDEX = 'PIP_EXTRA_INDEX_URL';
/** Long builds print thousands of lines; what is wrong stands in the last ones. */
const KEPT_LINES = 400;

@injectable()
export class InstallDepsPip implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'subprocess'>) {}

  async reads({ config, inputs }: Node, view: ViewReader): ReadsPromise<Facts> {
    if (inputs[config.installer] === undefined) return fail(installerSkipped(config.installer));
    const root = await nearestWith(view, config.root, config.requirements);
    const ofTests = view.run.mode === 'test' ? await nearestWith(view, config.root, config.testRequirements) : root;
    const testRequirements = inRoot(ofTests, config.testRequirements);
    const withTests = view.run.mode === 'test' && (await isWantedFile(view, testRequirements));
    const requirements = [inRoot(root, config.requirements), ...(withTests ? [testRequirements] : [])];
    const files = new Set<string>();
    const localPaths = new Set<string>();
    const exists = view.run.mode === 'test' ? [testRequirements] : [];
    const packages: Record<string, string> = {};
    const variables = new Map<string, string>();
    const swaying = new Set<string>();
    let isPinned = true;
    let hasHashes = false;
    for (const path of requirements) {
      const closure = await readRequirements(path, (asked) => view.read(asked), {
        cwd: inRoot(root, ''),
        env: (name) => view.env(name),
      });
      if (!closure.ok) return fail(unreadableRequirements(closure.failure));
      for (const file of closure.value.files) {
        const encoding = undecodableAs((await view.read(file)) ?? new Uint8Array());
        if (encoding !== undefined) return fail(undecodableRequirements(file, encoding));
        files.add(literalPattern(file));
      }
      for (const local of closure.value.localPaths) localPaths.add(local);
      for (const { name, file, line, isLogin } of closure.value.variables) {
        if (!variables.has(name)) variables.set(name, `${file}, line ${line}`);
        if (!isLogin) swaying.add(name);
      }
      // Exact versions alone leave open what they depend on, and which of a version's files pip takes.
      isPinned &&= closure.value.hashChecked;
      for (const { name, specifier, hashed } of closure.value.requirements) {
        hasHashes ||= hashed;
        if (name !== undefined) packages[name] = withoutUserinfo(specifier.replace(/^==\s*/, ''));
      }
    }
    const sources = await sourcesOf(view, [...localPaths].sort(), { isLocked: false });
    for (const pattern of sources.patterns) files.add(pattern);
    const index = config.index ?? this.services.host.setting('INDEX');
    const extraIndexes = view.env(EXTRA_INDEX);
    const facts: Facts = {
      requirements,
      ...(root !== config.root && { folder: root }),
      localPaths: [...localPaths].sort(),
      ...readingFact(sources),
      packages,
      ...(variables.size > 0 && { variables: Object.fromEntries(variables) }),
      ...(config.installer === 'uv' && { requireHashes: isPinned || hasHashes }),
      // URLs may hold a password, so they come here without and are looked up again by `run`.
      ...(index !== undefined && { index: withoutUserinfo(index) }),
      ...(extraIndexes !== undefined && { extraIndexes: withoutUserinfo(extraIndexes) }),
    };
    return succeed({
      files: [...files].sort(),
      exists,
      facts,
      ...(swaying.size > 0 && { env: [...swaying].sort() }),
      ...(!isPinned && { scope: 'app' as const }),
    });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const facts = context.facts;
    const home = pythonHome(config.vendorDir);
    const { app, cache } = this.services.files.of(context);
    const minor = minorOfPython(app, home);
    if (minor === undefined) return fail(noPython(home));
    const { variables = {} } = facts;
    const valueOf = (name: string): string | undefined => context.view.env(name) ?? context.env[name];
    const unset = Object.entries(variables).filter(([name]) => (valueOf(name) ?? '') === '');
    if (unset.length > 0) return fail(variablesUnset(unset));
    const values = Object.fromEntries(Object.keys(variables).map((name) => [name, valueOf(name) ?? '']));
    const before = await takeSnapshot(app, home, context.signal);
    const projects = await LocalProjects.look(app, facts.localPaths, home);

    const root = facts.folder ?? config.root;
    const files = facts.requirements.flatMap((file) => ['-r', posix.relative(inRoot(root, ''), file)]);
    const shown = `pip install ${files.join(' ')}`;
    this.services.log.step(context, `Installing dependencies using '${shown}'`);
    tellFolder(this.services.log, context, config.root, facts.requirements[0] ?? '');
    tellReadingAll(this.services.log, context, facts.readingAll);
    const output = new PipOutput(this.services.log, context);
    const index = config.index ?? this.services.host.setting('INDEX');
    const named = await this.indexesOfFiles(facts.requirements, root, context, valueOf);
    const command = { home, files, index, extraIndexes: context.view.env(EXTRA_INDEX) };
    const { argv, env } =
      config.installer === 'uv'
        ? uvPipCommand(context, this.services.files, {
            ...command,
            requireHashes: facts.requireHashes === true,
            // To pip a file's own index goes before the variable, to uv it is the other way round.
            index: named['PIP_INDEX_URL'] === undefined ? index : undefined,
          })
        : pipInstallCommand(context, this.services.files, command);
    const exit = await runWithDownloads(cache, config.installer, () =>
      this.services.subprocess.run(context, {
        argv,
        cwd: rootIn(context.paths.app, root),
        env: { ...values, ...env },
        network: true,
        keepLines: KEPT_LINES,
        filter: (_, text) => output.line(text),
      }),
    );
    if (config.installer === 'uv') forgetLocalBuilds(context, cache);
    else forgetLocalWheels(context, cache, 'pip');
    if (!exit.ok) return exit;
    if (exit.value.exitCode !== 0) {
      const failed = { tool: config.installer, command: shown, exit: exit.value, home, minor, root: config.root };
      const more = { files: facts.requirements, valueOf, env: { ...env, ...named } };
      return fail(await explainFailure(this.services.subprocess, context, { ...failed, ...more }));
    }
    if (config.installer === 'uv') await leaveAsPip(app, { home, minor }, new Set(Object.keys(facts.packages)));
    const generated = await projects.clean();

    return finishInstall(this.services, context, {
      vendorDir: config.vendorDir,
      minor,
      before,
      builtFromSource: output.builtFromSource,
      generated,
    });
  }

  /** The indexes that the requirements files name take precedence over the environment, as with pip itself. */
  private async indexesOfFiles(
    files: readonly string[],
    root: string,
    context: RunContext,
    valueOf: (name: string) => string | undefined,
  ): Promise<Readonly<Record<string, string>>> {
    const env: Record<string, string> = {};
    for (const path of files) {
      const closure = await readRequirements(path, (asked) => context.view.read(asked), {
        cwd: inRoot(root, ''),
        env: valueOf,
      });
      if (!closure.ok) continue;
      const valuesOf = (option: string): readonly string[] =>
        closure.value.options.flatMap(({ name, value }) =>
          name === option && value !== undefined ? [expand(value, valueOf)] : [],
        );
      const main = valuesOf('index-url').at(-1);
      const extra = valuesOf('extra-index-url');
      if (main !== undefined) env['PIP_INDEX_URL'] = main;
      if (extra.length > 0) env['PIP_EXTRA_INDEX_URL'] = extra.join(' ');
    }
    return env;
  }
}

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
