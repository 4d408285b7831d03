// Installs the project itself with Poetry, into the Python that has its dependencies. The installed package refers to the
// source, which is part of the slug.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { Folder, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { parsePoetryProject } from '../../manifests/app/poetry-lock.js';
import { changedFiles, takeSnapshot } from '../shared/app/changes.js';
import { poetryFolder } from '../shared/app/project-folder.js';
import { readingFact, sourcesOf, tellReadingAll, type ProjectSources } from '../shared/app/project-sources.js';
import { inRoot } from '../shared/app/root.js';
import { installPackages, type InstalledOutputs as Outputs } from '../shared/install/install-packages.js';
import { policyFact } from '../shared/install/policy-fact.js';
import { openPoetryGate, runPoetry } from '../shared/poetry/command.js';
import { noProjectFile, poetryFailed, unreadableProject } from '../shared/poetry/failures.js';
import { manifest, type config, type inputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = {
  readonly isPackage: boolean;
  readonly hasBuildScript: boolean;
  /** The folder of the project, if that is above the root. */
  readonly folder?: string;
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Digest of the operator's package policy. */
  readonly policy?: string;
};

@injectable()
export class InstallProjectPoetry implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const root = await poetryFolder(view, config.root);
    const file = inRoot(root, 'pyproject.toml');
    const bytes = await view.read(file);
    if (bytes === undefined) return fail(noProjectFile(file, inRoot(root, 'poetry.lock')));
    const project = parsePoetryProject(bytes);
    if (!project.ok) return fail(unreadableProject(file, project.failure.message));
    const { isPackage, hasBuildScript } = project.value;
    if (!isPackage) return succeed({ facts: { isPackage, hasBuildScript }, pure: true });
    const sources = await sourcesOf(view, [root], { isLocked: true });
    const facts: Facts = {
      isPackage,
      hasBuildScript,
      ...(root !== config.root && { folder: root }),
      ...readingFact(sources),
      ...policyFact(this.services.host),
    };
    return succeed({
      files: sources.patterns,
      facts,
      ...(hasBuildScript && { scope: 'app' as const }),
    });
  }

  async run({ config, inputs }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { isPackage, hasBuildScript, readingAll, folder: root = config.root } = context.facts;
    if (!isPackage) return succeed({ outputs: { packages: inputs.packages } });
    const { files, host, log } = this.services;
    const install = {
      vendorDir: config.vendorDir,
      builtIn: hasBuildScript ? [root] : [],
      sharesBuilds: false,
      trustsCache: false,
    };
    return installPackages(this.services, context, install, async (python, before) => {
      // Not `sync`, which would remove the dependencies.
      const args = ['install', '--only-root'];
      const shown = `poetry ${args.join(' ')}`;
      log.step(context, `Installing the project using '${shown}'`);
      tellReadingAll(log, context, readingAll);
      const access = await openPoetryGate(this.services, context, root);
      const index = host.setting('INDEX');
      const exit = await runPoetry(this.services, context, { python, root, args, index, access });
      if (!exit.ok) return exit;
      const { home, minor } = python;
      if (exit.value.exitCode !== 0)
        return fail(access.explain(poetryFailed(shown, exit.value, { place: context, minor })));
      const { app } = files.of(context);
      sortSearchPaths(app, home, changedFiles(before, await takeSnapshot(app, home, context.signal)));
      return succeed({ builtFromSource: hasBuildScript });
    });
  }
}

/** Poetry orders the folders of a project by a hash of their paths, so the order would depend on the build folder. */
function sortSearchPaths(app: Folder, home: string, files: readonly string[]): void {
  for (const file of files.filter((name) => /^lib\/[^/]+\/site-packages\/[^/]+\.pth$/.test(name))) {
    const path = `${home}/${file}`;
    const text = app.isFile(path) ? app.readText(path) : undefined;
    if (text === undefined) continue;
    const sorted = text.split(/(?<=\n)/).sort();
    app.write(path, sorted.join(''));
  }
}
