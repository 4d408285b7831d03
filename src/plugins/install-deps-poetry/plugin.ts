// Installs the packages of poetry.lock with Poetry, into the Python of the slug.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { NodeLog, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { parsePoetryLock, parsePoetryProject } from '../../manifests/app/poetry-lock.js';
import { inRoot } from '../shared/app/root.js';
import { noPython } from '../shared/python/failures.js';
import { firstMisencoded } from '../shared/app/file-encoding.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { installedPackages } from '../shared/install/installed-packages.js';
import { runWithDownloads } from '../shared/install/kept-downloads.js';
import { literalPattern } from '../shared/app/literal-pattern.js';
import { ARTIFACTS, runPoetry } from '../shared/poetry/command.js';
import {
  CODE,
  noProjectFile,
  poetryFailed,
  sourcesOutside,
  unreadableProject,
  unsupportedIndex,
} from '../shared/poetry/failures.js';
import { PoetryOutput } from '../shared/poetry/output.js';
import { PUBLIC_APP_DIR, pythonHome, type SlugPython } from '../shared/python/home.js';
import { poetryFolder, tellFolder } from '../shared/app/project-folder.js';
import { readingFact, sourcesOf, tellReadingAll, type ProjectSources } from '../shared/app/project-sources.js';
import { wheelTarget } from '../shared/python/wheel-target.js';
import type { InstallResult } from '../shared/install/install-packages.js';
import { installPackages, type InstalledOutputs as Outputs } from '../shared/install/install-packages.js';
import { forgetWheels, wheelsBuiltHere } from './local-builds.js';
import { isSettled, localSources, versionsOf, wantedPackages } from './locked.js';
import { manifest, type config, type inputs } from './manifest.js';
import { quarrelling } from './shared-paths.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = {
  /** Under `--test` every group that is not optional, else the main one. */
  readonly groups: 'main' | 'all';
  /** Where Poetry is started, when that is above the root. */
  readonly folder?: string;
  /** Folders of the app that are installed from. */
  readonly localPaths: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Name -> version of what may be installed; the key has it from the lock, `why` names it from here. */
  readonly packages: Readonly<Record<string, string>>;
  readonly ignoredPlugins: readonly string[];
  /** Of what builds need, which no digest settles. Without user and password. */
  readonly index?: string;
};

@injectable()
export class InstallDepsPoetry implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'subprocess'>) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const root = await poetryFolder(view, config.root);
    const at = (file: string): string => inRoot(root, file);
    const lockFile = at('poetry.lock');
    const projectFile = at('pyproject.toml');
    const lockBytes = await view.read(lockFile);
    if (lockBytes === undefined) return fail(noProjectFile(lockFile, projectFile));
    const projectBytes = await view.read(projectFile);
    if (projectBytes === undefined) return fail(noProjectFile(projectFile, lockFile));
    const misencoded = firstMisencoded(CODE, [
      [lockFile, lockBytes],
      [projectFile, projectBytes],
    ]);
    if (misencoded !== undefined) return fail(misencoded);
    const lock = parsePoetryLock(lockBytes);
    if (!lock.ok) return fail(unreadableProject(lockFile, lock.failure.message));
    const project = parsePoetryProject(projectBytes);
    if (!project.ok) return fail(unreadableProject(projectFile, project.failure.message));
    const home = pythonHome(config.vendorDir);
    const target = wheelTarget(this.services.host, view, config.vendorDir);
    if (target === undefined) return fail(noPython(home));

    const index = this.services.host.setting('INDEX');
    if (index?.startsWith('file:') === true) return fail(unsupportedIndex(index));
    const wanted = wantedPackages(lock.value, view.run.mode, config.groups);
    // Of all packages: Poetry looks at every path before it knows which groups it installs.
    const sources = localSources(lock.value, inRoot(root, ''));
    const outside = sources.filter(({ path }) => path === undefined);
    if (outside.length > 0) return fail(sourcesOutside(outside));
    const localPaths = sources.map(({ path }) => path ?? '.').sort();
    const built = await sourcesOf(view, localPaths, { isLocked: true });
    const settings = (await view.read(at('poetry.toml')))?.toString() ?? '';
    const isPinned = isSettled(wanted, target) && !settings.includes('no-binary');
    const facts: Facts = {
      groups: view.run.mode === 'test' ? 'all' : 'main',
      ...(root !== config.root && { folder: root }),
      localPaths,
      ...readingFact(built),
      packages: versionsOf(wanted),
      ignoredPlugins: project.value.requiredPlugins,
      ...(!isPinned && index !== undefined && { index: withoutUserinfo(index) }),
    };
    return succeed({
      files: [...[lockFile, projectFile, at('poetry.toml')].map(literalPattern), ...built.patterns].sort(),
      facts,
      ...(!isPinned && { scope: 'app' as const }),
    });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const install = { vendorDir: config.vendorDir, builtIn: context.facts.localPaths };
    return installPackages(this.services, context, install, (python) => this.#install(config, context, python));
  }

  async #install(config: Node['config'], context: RunContext<Facts>, python: SlugPython): Promise<InstallResult> {
    const { facts } = context;
    const { host, log, files } = this.services;
    const { app, cache } = files.of(context);
    const root = facts.folder ?? config.root;
    // `sync` is `install` that also removes: where there is something already, it is another node's.
    const isEmpty = Object.keys(installedPackages(app, python.sitePackages)).length === 0;
    const args = [isEmpty ? 'sync' : 'install', ...groupOptions(facts.groups, config.groups), '--no-root'];
    const shown = `poetry ${args.join(' ')}`;
    log.step(context, `Installing dependencies using '${shown}'`);
    tellPlugins(log, context, facts.ignoredPlugins);
    tellFolder(log, context, config.root, inRoot(root, 'poetry.lock'));
    tellReadingAll(log, context, facts.readingAll);
    const output = new PoetryOutput(log, context);
    const index = host.setting('INDEX');
    const onLine = (text: string): void => output.line(text);
    const poetry = (parallel: boolean) =>
      runPoetry(this.services, context, { python, root, args, parallel, index, onLine });
    let exit = await runWithDownloads(cache, ARTIFACTS, () => poetry(true));
    if (exit.ok && exit.value.exitCode === 0) {
      const again = quarrelling(app, python.sitePackages);
      for (const info of again) app.remove(`${python.sitePackages}/${info}`);
      // In parallel the order is another every time.
      if (again.length > 0) exit = await poetry(false);
    }
    const builtWheels = await wheelsBuiltHere(cache);
    // A wheel that was built in a private folder may name it, and the next run has another.
    if (context.paths.app !== PUBLIC_APP_DIR) forgetWheels(cache, builtWheels ?? []);
    if (!exit.ok) return exit;
    const { minor } = python;
    if (exit.value.exitCode !== 0) return fail(poetryFailed(shown, exit.value, { place: context, minor }));
    // Where that cannot be told any more, something of the app ran.
    return succeed({
      builtFromSource: builtWheels === undefined || builtWheels.length > 0 || facts.localPaths.length > 0,
    });
  }
}

function tellPlugins(log: NodeLog, context: RunContext, ignored: readonly string[]): void {
  if (ignored.length === 0) return;
  const text = `Plugins of Poetry are not installed for a build: ${ignored.join(', ')}.`;
  log.notice(context, 'install-dependencies::poetry-plugins', text);
}

/** Poetry's own word for what is installed. */
const groupOptions = (groups: Facts['groups'], asked: readonly string[] = []): readonly string[] =>
  groups === 'main' ? ['--only', ['main', ...asked].join(',')] : asked.length > 0 ? ['--with', asked.join(',')] : [];
