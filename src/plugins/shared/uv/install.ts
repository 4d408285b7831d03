// Installs the packages of a uv.lock: either the remote ones, or those inside the app.

import { succeed } from '../../../engine/sdk.js';
import type { Files, NodeLog, Result, RunContext, RunPromise, Services } from '../../../engine/sdk.js';
import { tellFolder } from '../app/project-folder.js';
import { tellReadingAll, type ProjectSources } from '../app/project-sources.js';
import { defaultIndex } from '../install/index-url.js';
import { installPackages, type InstalledOutputs } from '../install/install-packages.js';
import { forgetLocalBuilds, indexLogins, openUvGate, planIndex } from './command.js';
import { dropUvNotes } from './notes.js';
import { UvProgram } from './program.js';
import { readUvProject } from './project.js';

/** The facts of every kind that installs from a uv.lock. */
export type UvFacts = {
  /** Digest of the operator's package policy. */
  readonly policy?: string;
  /** Whether to install the default groups of the project, which are `dev` unless it sets others. */
  readonly withDefaultGroups: boolean;
  /** The default groups that are left out, for the log. */
  readonly leftOut?: readonly string[];
  readonly hasSettings: boolean;
  /** Packages are built, and all of them may be shared. */
  readonly sharesBuilds?: true;
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** The index that replaces the default one, without user and password. */
  readonly index?: string;
};

interface UvInstall {
  readonly config: {
    readonly vendorDir: string;
    readonly root: string;
    readonly index?: string;
    readonly groups?: readonly string[];
  };
  readonly facts: UvFacts;
  /** `remote`: the packages outside the app. `local`: those inside. */
  readonly part: 'remote' | 'local';
  /** Folders of the app in which builds may run, app-relative. */
  readonly builtIn: readonly string[];
}

export async function installWithUv(
  services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  context: RunContext,
  { config, facts, part, builtIn }: UvInstall,
): RunPromise<InstalledOutputs> {
  const project = await readUvProject(config.root, context.view);
  if (!project.ok) return project;
  const groups = [
    ...(facts.withDefaultGroups ? [] : ['--no-default-groups']),
    ...(config.groups ?? []).flatMap((group) => ['--group', group]),
  ];
  const shown = ['uv', 'sync', '--locked', ...groups].join(' ');
  // Read again, because facts don't contain the password.
  const { way, index, others } = planIndex(project.value.lock, defaultIndex(config, services.host));
  const sharesBuilds = facts.sharesBuilds === true;
  // uv keeps wheels unpacked.
  const install = { vendorDir: config.vendorDir, builtIn, sharesBuilds, trustsCache: true };
  return installPackages(services, context, install, async (python) => {
    const { files, log } = services;
    log.step(context, `Installing ${part === 'remote' ? 'dependencies' : 'the project'} using '${shown}'`);
    tellLeftOut(log, context, facts.leftOut);
    tellFolder(log, context, config.root, project.value.lockFile);
    tellReadingAll(log, context, facts.readingAll);

    const { app, cache } = files.of(context);
    const { hasSettings } = facts;
    const access = await openUvGate(services, context, project.value, index);
    const logins = await indexLogins(services, context);
    const task = { python, project: project.value, shown, hasSettings, index, access, logins };
    const uv = new UvProgram(services, context, task);
    forgetLocalBuilds(context, cache);
    const done =
      way === 'mirror'
        ? await installFromMirror(uv, files, context, { part, groups, others })
        : // --inexact, because uv must not remove packages of other nodes (for example pip).
          await uv.run([
            'sync',
            '--locked',
            ...groups,
            '--inexact',
            ...(part === 'remote' ? ['--no-install-local'] : []),
          ]);
    forgetLocalBuilds(context, cache);
    if (!done.ok) return done;
    dropUvNotes(app, python.sitePackages);
    return succeed({ builtFromSource: uv.builtFromSource });
  });
}

interface Mirrored {
  readonly part: UvInstall['part'];
  /** The options for the groups. */
  readonly groups: readonly string[];
  /** Further indexes of the lockfile. */
  readonly others: readonly string[];
}

/** The export uses the index of the lockfile, so that uv checks it normally. Then all files come from the mirror. */
async function installFromMirror(
  uv: UvProgram,
  files: Files,
  context: RunContext,
  { part, groups, others }: Mirrored,
): Promise<Result<void>> {
  const list = `locked-${part}.txt`;
  const some = part === 'remote' ? '--no-emit-local' : '--only-emit-local';
  const output = ['--no-header', '--no-annotate', '--quiet', `--output-file=${context.paths.scratch}/${list}`];
  const exported = await uv.run(['export', '--locked', ...groups, some, ...output], { UV_DEFAULT_INDEX: '' });
  if (!exported.ok) return exported;
  const { given, scratch } = files.of(context);
  const lines = scratch.readText(list) ?? '';
  if (lines.trim() === '') return succeed(undefined);
  // A copy, because a build could change the file in the other folder before uv reads it.
  given.write(list, lines);
  // With digests, a file may come from any index. Without them, only from the first index that has the package.
  const anyIndex = lines.includes('--hash=') ? ['--index-strategy=unsafe-best-match'] : [];
  return uv.run(['pip', 'install', '--no-deps', ...anyIndex, `--requirements=${context.paths.given}/${list}`], {
    ...(others.length > 0 && { UV_INDEX: others.join(' ') }),
  });
}

/** Users expect this for `dev`, but not for a group that the project itself sets as default. So only that is a notice. */
function tellLeftOut(log: NodeLog, context: RunContext, groups: readonly string[] = []): void {
  if (groups.length === 0) return;
  const text = `pyflow does not install uv's default groups: ${groups.join(', ')}. To install one, add it to \`groups\` of the node, or pass -p 'groups=${JSON.stringify(groups.filter((group) => group !== 'dev').slice(0, 1))}'.`;
  if (groups.some((group) => group !== 'dev')) log.notice(context, 'install-dependencies::groups-left-out', text);
  else log.info(context, 'Not installing the uv group `dev`');
}
