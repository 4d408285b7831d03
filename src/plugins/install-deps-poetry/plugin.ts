// Installs the packages of poetry.lock with Poetry, into the Python of the slug.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { literalPattern } from '../shared/app/literal-pattern.js';
import { readingFact, sourcesOf } from '../shared/app/project-sources.js';
import { inRoot } from '../shared/app/root.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { installPackages, type InstalledOutputs as Outputs } from '../shared/install/install-packages.js';
import { policyFact } from '../shared/install/policy-fact.js';
import { sourcesOutside, unsupportedIndex } from '../shared/poetry/failures.js';
import { noPython } from '../shared/python/failures.js';
import { pythonHome } from '../shared/python/home.js';
import { wheelTarget } from '../shared/python/wheel-target.js';
import { installLocked, type Facts } from './install.js';
import { localSources, usersOf, versionsOf, wantedPackages } from './locked.js';
import { manifest, type config, type inputs } from './manifest.js';
import { readProjectFiles } from './project-files.js';

type Node = NodeOf<typeof config, typeof inputs>;
@injectable()
export class InstallDepsPoetry implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const project = await readProjectFiles(view, config.root);
    if (!project.ok) return project;
    const { folder, paths, packages, requiredPlugins, refusesWheels } = project.value;
    const target = wheelTarget(this.services.host, view, config.vendorDir);
    if (target === undefined) return fail(noPython(pythonHome(config.vendorDir)));

    const index = this.services.host.setting('INDEX');
    if (index?.startsWith('file:') === true) return fail(unsupportedIndex(index));
    const wanted = wantedPackages(packages, view.run.mode, config.groups);
    // Checks all packages, because Poetry looks at every path before it chooses the groups.
    const sources = localSources(packages, inRoot(folder, ''));
    const outside = sources.filter(({ path }) => path === undefined);
    if (outside.length > 0) return fail(sourcesOutside(outside));
    const localPaths = sources.map(({ path }) => path ?? '.').sort();
    const built = await sourcesOf(view, localPaths, { isLocked: true });
    const users = usersOf(wanted, { target, refusesWheels });
    const facts: Facts = {
      groups: view.run.mode === 'test' ? 'all' : 'main',
      ...(folder !== config.root && { folder }),
      localPaths,
      ...readingFact(built),
      packages: versionsOf(wanted),
      ignoredPlugins: requiredPlugins,
      ...(users !== 'all' && index !== undefined && { index: withoutUserinfo(index) }),
      ...(users === 'builder' && { sharesBuilds: true as const }),
      ...policyFact(this.services.host),
    };
    return succeed({
      files: [...paths.map(literalPattern), ...built.patterns].sort(),
      facts,
      ...(users === 'app' && { scope: 'app' as const }),
      ...(users === 'builder' && { usesBuilder: true as const }),
    });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { localPaths, sharesBuilds = false } = context.facts;
    // Poetry checks an archive, then installs the wheel next to it that fits best.
    const install = { vendorDir: config.vendorDir, builtIn: localPaths, sharesBuilds, trustsCache: true };
    return installPackages(this.services, context, install, (python) =>
      installLocked(this.services, context, { config, facts: context.facts, python }),
    );
  }
}
