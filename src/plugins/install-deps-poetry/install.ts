// Runs Poetry for the packages of poetry.lock, and finds out whether it built a package.

import { fail, succeed, type NodeLog, type RunContext, type Services } from '../../engine/sdk.js';
import { tellFolder } from '../shared/app/project-folder.js';
import { tellReadingAll, type ProjectSources } from '../shared/app/project-sources.js';
import { inRoot } from '../shared/app/root.js';
import type { InstallResult } from '../shared/install/install-packages.js';
import { installedPackages } from '../shared/install/installed-packages.js';
import { runWithDownloads } from '../shared/install/kept-downloads.js';
import { ARTIFACTS, openPoetryGate, runPoetry } from '../shared/poetry/command.js';
import { poetryFailed } from '../shared/poetry/failures.js';
import { PoetryOutput } from '../shared/poetry/output.js';
import { PUBLIC_APP_DIR, type SlugPython } from '../shared/python/home.js';
import { forgetWheels, wheelsBuiltHere } from './local-builds.js';
import { conflicting } from './shared-paths.js';

/** What `reads` found out; keyed verbatim. */
export type Facts = {
  /** Under `--test` every group that is not optional, otherwise the main group. */
  readonly groups: 'main' | 'all';
  /** The folder in which Poetry starts, if that is above the root. */
  readonly folder?: string;
  /** Folders of the app from which packages are installed. */
  readonly localPaths: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Name -> version. The key already covers the lock; `why` uses this to name the packages that changed. */
  readonly packages: Readonly<Record<string, string>>;
  readonly ignoredPlugins: readonly string[];
  /** Of what builds need, which no digest settles. Without user and password. */
  readonly index?: string;
  /** Packages are built, and all of them may be shared. */
  readonly sharesBuilds?: true;
};

interface LockedInstall {
  readonly config: { readonly root: string; readonly groups?: readonly string[] };
  readonly facts: Facts;
  readonly python: SlugPython;
}

export async function installLocked(
  services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  context: RunContext,
  { config, facts, python }: LockedInstall,
): Promise<InstallResult> {
  const { host, log, files } = services;
  const { app, cache } = files.of(context);
  const root = facts.folder ?? config.root;
  // `sync` also removes packages. If there are packages already, another node installed them.
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
  const access = await openPoetryGate(services, context, root);
  const poetry = (parallel: boolean) =>
    runPoetry(services, context, { python, root, args, parallel, index, access, onLine });
  let exit = await runWithDownloads(cache, ARTIFACTS, () => poetry(true));
  if (exit.ok && exit.value.exitCode === 0) {
    const again = conflicting(app, python.sitePackages);
    for (const info of again) app.remove(`${python.sitePackages}/${info}`);
    // A parallel install has a different order each time.
    if (again.length > 0) exit = await poetry(false);
  }
  const builtWheels = await wheelsBuiltHere(cache);
  // A wheel that was built in a private folder may contain its path, and the next run has another folder.
  if (context.paths.app !== PUBLIC_APP_DIR) forgetWheels(cache, builtWheels ?? []);
  if (!exit.ok) return exit;
  const { minor } = python;
  if (exit.value.exitCode !== 0)
    return fail(access.explain(poetryFailed(shown, exit.value, { place: context, minor })));
  // If this is unknown, assume that code of a package ran.
  return succeed({
    builtFromSource: builtWheels === undefined || builtWheels.length > 0 || facts.localPaths.length > 0,
  });
}

function tellPlugins(log: NodeLog, context: RunContext, ignored: readonly string[]): void {
  if (ignored.length === 0) return;
  const text = `pyflow does not install Poetry plugins: ${ignored.join(', ')}.`;
  log.notice(context, 'install-dependencies::poetry-plugins', text);
}

/** The options of Poetry that choose the groups. */
const groupOptions = (groups: Facts['groups'], asked: readonly string[] = []): readonly string[] =>
  groups === 'main' ? ['--only', ['main', ...asked].join(',')] : asked.length > 0 ? ['--with', asked.join(',')] : [];
