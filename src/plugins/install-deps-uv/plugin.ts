// Installs the packages of a uv.lock with uv, into the Python of the slug.

import { inject, injectable } from 'inversify';
import { Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { versionsOf } from '../../manifests/app/uv-lock.js';
import type { InstalledOutputs as Outputs } from '../shared/install/finish.js';
import { indexFact, planIndex } from '../shared/uv/command.js';
import { installWithUv } from '../shared/uv/install.js';
import { needsNoBuild, readUvProject } from '../shared/uv/project.js';
import { readingFact, type ProjectSources } from '../shared/app/project-sources.js';
import { wheelTarget } from '../shared/python/wheel-target.js';
import { manifest, type config, type inputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Config = Node['config'];
/** What `reads` found out; keyed verbatim. */
type Facts = {
  readonly withDefaultGroups: boolean;
  /** Default groups that are not installed. */
  readonly leftOut?: readonly string[];
  readonly hasSettings: boolean;
  /** Folders whose metadata uv has to build. */
  readonly computed: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Name -> version; the key has it from the lockfile, `why` names it from here. */
  readonly packages: Readonly<Record<string, string>>;
  /** Where files come from instead of the default index; without user and password. */
  readonly index?: string;
};

@injectable()
export class InstallDepsUv implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'subprocess'>) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const project = await readUvProject(config.root, view);
    if (!project.ok) return project;
    const { lock, files, computed, readingAll, hasSettings } = project.value;
    const asked = new Set((config.groups ?? []).map(normalizeName));
    const leftOut = view.run.mode === 'test' ? [] : project.value.defaultGroups.filter((group) => !asked.has(group));
    const facts: Facts = {
      withDefaultGroups: view.run.mode === 'test',
      ...(leftOut.length > 0 && { leftOut }),
      hasSettings,
      computed,
      ...readingFact({ readingAll, patterns: [] }),
      packages: versionsOf(lock),
      ...indexFact(planIndex(lock, this.index(config))),
    };
    const isShared = needsNoBuild(project.value, wheelTarget(this.services.host, view, config.vendorDir));
    return succeed({ files, facts, ...(!isShared && { scope: 'app' as const }) });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const facts = context.facts;
    const project = await readUvProject(config.root, context.view);
    if (!project.ok) return project;
    return installWithUv(this.services, context, {
      vendorDir: config.vendorDir,
      root: config.root,
      folder: project.value.folder,
      lockFile: project.value.lockFile,
      part: 'remote',
      withDefaultGroups: facts.withDefaultGroups,
      groups: config.groups ?? [],
      leftOut: facts.leftOut ?? [],
      hasSettings: facts.hasSettings,
      readingAll: facts.readingAll ?? {},
      // Read again: facts hold no password.
      indexes: planIndex(project.value.lock, this.index(config)),
      builtIn: facts.computed,
      headline: (command) => `Installing dependencies using '${command}'`,
    });
  }

  private index(config: Config): string | undefined {
    return config.index ?? this.services.host.setting('INDEX');
  }
}
