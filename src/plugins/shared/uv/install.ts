// Installs what a lockfile of uv names: all but the app's own packages, or those. Unaware of keys and of what becomes of the
// layer.

import { posix } from 'node:path';
import {
  fail,
  succeed,
  type Failure,
  type Files,
  type Folder,
  type NodeLog,
  type Result,
  type RunContext,
  type RunOutput,
  type Subprocess,
  type ViewReader,
} from '../../../engine/sdk.js';
import { takeSnapshot } from '../app/changes.js';
import { inRoot, rootIn } from '../app/root.js';
import { noPython } from '../python/failures.js';
import { finishInstall, type InstalledOutputs } from '../install/finish.js';
import { runWithDownloads } from '../install/kept-downloads.js';
import { LocalProjects } from '../install/local-projects.js';
import { maskUserinfo } from '../install/index-url.js';
import { minorOfPython, pythonHome, PUBLIC_APP_DIR } from '../python/home.js';
import { tellFolder } from '../app/project-folder.js';
import { tellReadingAll, type ProjectSources } from '../app/project-sources.js';
import { editRecord } from '../install/record.js';
import { uvCommand } from '../install/tool-command.js';
import { forgetLocalBuilds, UV_CACHE, uvEnvironment, type IndexPlan } from './command.js';
import { uvFailed } from './failures.js';

export interface UvInstall {
  readonly vendorDir: string;
  readonly root: string;
  /** Of the project, app-relative: the root, or above it. */
  readonly folder: string;
  readonly lockFile: string;
  /** `remote`: everything that does not lie in the app. `local`: what does. */
  readonly part: 'remote' | 'local';
  /** Dependency groups that the project calls default, `dev` unless it says so. */
  readonly withDefaultGroups: boolean;
  /** Further groups that are wanted. */
  readonly groups: readonly string[];
  /** Those of the default groups that are left out, to be told. */
  readonly leftOut: readonly string[];
  readonly hasSettings: boolean;
  readonly indexes: IndexPlan;
  /** Folders of the app that a build may run in, app-relative. */
  readonly builtIn: readonly string[];
  readonly readingAll?: ProjectSources['readingAll'];
  /** The headline, given the command. */
  readonly headline: (command: string) => string;
}

/** Long builds print thousands of lines; what is wrong stands in the last ones. */
const KEPT_LINES = 400;

export async function installWithUv(
  services: { readonly subprocess: Subprocess; readonly files: Files; readonly log: NodeLog },
  context: RunContext,
  install: UvInstall,
): Promise<Result<RunOutput<InstalledOutputs>, Failure>> {
  const { vendorDir, root, folder, part, indexes } = install;
  const { subprocess, files, log } = services;
  const { app, cache } = files.of(context);
  const home = pythonHome(vendorDir);
  const minor = minorOfPython(app, home);
  if (minor === undefined) return fail(noPython(home));
  const before = await takeSnapshot(app, home, context.signal);
  const projects = await LocalProjects.look(app, install.builtIn, home);
  const groups = [
    ...(install.withDefaultGroups ? [] : ['--no-default-groups']),
    ...install.groups.flatMap((group) => ['--group', group]),
  ];
  const command = ['uv', 'sync', '--locked', ...groups].join(' ');
  log.step(context, install.headline(command));
  tellLeftOut(log, context, install.leftOut);
  tellFolder(log, context, root, install.lockFile);
  tellReadingAll(log, context, install.readingAll);

  let builtFromSource = false;
  const env = uvEnvironment(context, files, { home, hasSettings: install.hasSettings, index: indexes.index });
  const uv = async (
    args: readonly string[],
    more: Readonly<Record<string, string>> = {},
  ): Promise<Result<void, Failure>> => {
    const exit = await runWithDownloads(cache, UV_CACHE, () =>
      subprocess.run(context, {
        argv: [...uvCommand(context), ...args],
        cwd: rootIn(context.paths.app, folder),
        env: { ...env, ...more },
        network: true,
        keepLines: KEPT_LINES,
        filter: (_, text) => {
          builtFromSource ||= /^\s*Building /.test(text);
          // A private folder says nothing to the reader.
          return maskUserinfo(text).replaceAll(context.paths.app, PUBLIC_APP_DIR);
        },
      }),
    );
    if (!exit.ok) return exit;
    if (exit.value.exitCode === 0) return succeed(undefined);
    const requiredIn = await requiredVersionIn(context.view, posix.dirname(install.lockFile));
    return fail(uvFailed(command, exit.value, { place: context, minor, requiredIn }));
  };
  forgetLocalBuilds(context, cache);
  const done =
    indexes.way === 'locked'
      ? // --inexact: what another node put there (pip, for one) is not uv's to remove.
        await uv(['sync', '--locked', ...groups, '--inexact', ...(part === 'remote' ? ['--no-install-local'] : [])])
      : await installFromMirror(uv, { context, files }, install, groups);
  forgetLocalBuilds(context, cache);
  if (!done.ok) return done;
  const generated = await projects.clean();
  dropNotes(app, `${home}/lib/python${minor}/site-packages`);
  return finishInstall(services, context, { vendorDir, minor, before, builtFromSource, generated });
}

/** Exported with the lockfile's own index, so that uv checks it as ever; then every file comes from the mirror. */
async function installFromMirror(
  uv: (args: readonly string[], more?: Readonly<Record<string, string>>) => Promise<Result<void, Failure>>,
  { context, files }: { readonly context: RunContext; readonly files: Files },
  { part, indexes }: UvInstall,
  groups: readonly string[],
): Promise<Result<void, Failure>> {
  const list = `locked-${part}.txt`;
  const some = part === 'remote' ? '--no-emit-local' : '--only-emit-local';
  const exported = await uv(
    [
      'export',
      '--locked',
      ...groups,
      some,
      '--no-header',
      '--no-annotate',
      '--quiet',
      `--output-file=${context.paths.scratch}/${list}`,
    ],
    { UV_DEFAULT_INDEX: '' },
  );
  if (!exported.ok) return exported;
  const { given, scratch } = files.of(context);
  const lines = scratch.readText(list) ?? '';
  if (lines.trim() === '') return succeed(undefined);
  // What is judged here is what uv reads, also if a build writes into the other folder meanwhile.
  given.write(list, lines);
  // With digests it does not matter which index a file comes from; without, the first that has the package decides.
  const anyIndex = lines.includes('--hash=') ? ['--index-strategy=unsafe-best-match'] : [];
  return uv(['pip', 'install', '--no-deps', ...anyIndex, `--requirements=${context.paths.given}/${list}`], {
    ...(indexes.others.length > 0 && { UV_INDEX: indexes.others.join(' ') }),
  });
}

/** Everybody expects it of `dev`; of a group that the project itself calls default, nobody does. */
function tellLeftOut(log: NodeLog, context: RunContext, groups: readonly string[]): void {
  if (groups.length === 0) return;
  const text = `A build installs no default groups of uv. Left out: ${groups.join(', ')}. To install one, name it in \`groups\` of the node, or with -p 'groups=${JSON.stringify(groups.filter((group) => group !== 'dev').slice(0, 1))}'.`;
  if (groups.some((group) => group !== 'dev')) log.notice(context, 'install-dependencies::groups-left-out', text);
  else log.info(context, 'A build installs no group `dev` of uv');
}

/** The file that says which version of uv the project wants: uv.toml comes first, as for uv. `folder`: of the lockfile. */
async function requiredVersionIn(view: ViewReader, folder: string): Promise<string | undefined> {
  for (const name of ['uv.toml', 'pyproject.toml']) {
    const file = inRoot(folder, name);
    if (/^[^#]*\brequired-version"?\s*=/m.test((await view.read(file))?.toString() ?? '')) return file;
  }
  return undefined;
}

/** What uv writes down for its next run: times and digests of sources, which are different everywhere. */
function dropNotes(app: Folder, sitePackages: string): void {
  for (const { name: info, kind } of app.list(sitePackages)) {
    if (kind !== 'directory' || !info.endsWith('.dist-info')) continue;
    const folder = `${sitePackages}/${info}`;
    const names = app.names(folder).filter((name) => /^uv_(cache|build)\.json$/.test(name));
    if (names.length === 0) continue;
    for (const name of names) app.remove(`${folder}/${name}`);
    const dropped = new Set(names.map((name) => `${info}/${name}`));
    const text = app.isFile(`${folder}/RECORD`) ? app.readText(`${folder}/RECORD`) : undefined;
    if (text === undefined) continue;
    app.write(
      `${folder}/RECORD`,
      editRecord(text, (path) => (dropped.has(path) ? 'drop' : undefined)),
    );
  }
}
