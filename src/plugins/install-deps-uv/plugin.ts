// Installs the packages of a uv.lock with uv, into the Python of the slug.

import { inject, injectable } from 'inversify';
import { Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { versionsOf } from '../../manifests/app/uv-lock.js';
import { readingFact } from '../shared/app/project-sources.js';
import { defaultIndex } from '../shared/install/index-url.js';
import type { InstalledOutputs as Outputs } from '../shared/install/install-packages.js';
import { policyFact } from '../shared/install/policy-fact.js';
import { wheelTarget } from '../shared/python/wheel-target.js';
import { indexFact, planIndex } from '../shared/uv/command.js';
import { installWithUv, type UvFacts } from '../shared/uv/install.js';
import { readUvProject, usersOf } from '../shared/uv/project.js';
import { manifest, type config, type inputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = UvFacts & {
  /** Folders whose metadata comes from a build. */
  readonly computed: readonly string[];
  /** Name -> version. The key already covers the lockfile; `why` uses this to name the packages that changed. */
  readonly packages: Readonly<Record<string, string>>;
};

@injectable()
export class InstallDepsUv implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const target = wheelTarget(this.services.host, view, config.vendorDir);
    const project = await readUvProject(config.root, view);
    if (!project.ok) return project;
    const { lock, files, computed, readingAll, hasSettings } = project.value;
    const asked = new Set((config.groups ?? []).map(normalizeName));
    const leftOut = view.run.mode === 'test' ? [] : project.value.defaultGroups.filter((group) => !asked.has(group));
    const users = usersOf(project.value, target);
    const facts: Facts = {
      withDefaultGroups: view.run.mode === 'test',
      ...(leftOut.length > 0 && { leftOut }),
      hasSettings,
      computed,
      ...(users === 'builder' && { sharesBuilds: true as const }),
      ...readingFact({ readingAll, patterns: [] }),
      packages: versionsOf(lock),
      ...indexFact(planIndex(lock, defaultIndex(config, this.services.host))),
      ...policyFact(this.services.host),
    };
    return succeed({
      files,
      facts,
      ...(users === 'app' && { scope: 'app' as const }),
      ...(users === 'builder' && { usesBuilder: true as const }),
    });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { facts } = context;
    return installWithUv(this.services, context, { config, facts, part: 'remote', builtIn: facts.computed });
  }
}
