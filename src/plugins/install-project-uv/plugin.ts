// Installs the packages inside the app (the app itself, members of its workspace, path dependencies) with uv.

import { inject, injectable } from 'inversify';
import { Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { readingFact, sourcesOf } from '../shared/app/project-sources.js';
import { defaultIndex } from '../shared/install/index-url.js';
import type { InstalledOutputs as Outputs } from '../shared/install/install-packages.js';
import { policyFact } from '../shared/install/policy-fact.js';
import { indexFact, planIndex } from '../shared/uv/command.js';
import { installWithUv, type UvFacts } from '../shared/uv/install.js';
import { readUvProject } from '../shared/uv/project.js';
import { manifest, type config, type inputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
/** What `reads` found out; keyed verbatim. */
type Facts = NoPackage | Packages;
type NoPackage = { readonly locals: readonly [] };
type Packages = UvFacts & {
  /** What is installed, app-relative. */
  readonly locals: readonly string[];
};

@injectable()
export class InstallProjectUv implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const project = await readUvProject(config.root, view);
    if (!project.ok) return project;
    const { lock, files, locals, hasSettings } = project.value;
    if (locals.length === 0) return succeed({ facts: { locals: [] }, pure: true });
    const sources = await sourcesOf(view, locals, { isLocked: true });
    const facts: Packages = {
      withDefaultGroups: view.run.mode === 'test',
      hasSettings,
      locals,
      ...readingFact(sources),
      ...indexFact(planIndex(lock, defaultIndex(config, this.services.host))),
      ...policyFact(this.services.host),
    };
    return succeed({
      files: [...new Set([...files, ...sources.patterns])].sort(),
      facts,
      // Build tools are not pinned, and the code belongs to the app.
      scope: 'app',
    });
  }

  async run({ config, inputs }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { facts } = context;
    if (!('hasSettings' in facts)) return succeed({ outputs: { packages: inputs.packages } });
    const builtIn = facts.locals.filter((path) => context.view.kindOf(path) !== 'file');
    return installWithUv(this.services, context, { config, facts, part: 'local', builtIn });
  }
}
