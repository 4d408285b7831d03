// Installs the packages that lie in the app itself (the app, members of its workspace, path dependencies) with uv.

import { inject, injectable } from 'inversify';
import {
  Files,
  Host,
  NodeLog,
  Subprocess,
  succeed,
  type Failure,
  type FromSchema,
  type JSONObject,
  type Plugin,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
  type ViewReader,
} from '../../engine/sdk.js';
import type { InstalledOutputs as Outputs } from '../shared/install/finish.js';
import { readingFact, sourcesOf, type ProjectSources } from '../shared/app/project-sources.js';
import { indexFact, planIndex } from '../shared/uv/command.js';
import { installWithUv } from '../shared/uv/install.js';
import { readUvProject } from '../shared/uv/project.js';
import { manifest, type config, type inputs } from './manifest.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
/** What `reads` found out; keyed verbatim. */
interface Facts {
  readonly withDefaultGroups: boolean;
  readonly hasSettings: boolean;
  /** What is installed, app-relative. */
  readonly locals: readonly string[];
  /** Projects whose builds may read any file of the app, with the reason. */
  readonly readingAll?: ProjectSources['readingAll'];
  /** Where build tools come from instead of the default index; without user and password. */
  readonly index?: string;
}

@injectable()
export class InstallProjectUv implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(
    @inject(Subprocess) private readonly subprocess: Subprocess,
    @inject(NodeLog) private readonly log: NodeLog,
    @inject(Host) private readonly host: Host,
    @inject(Files) private readonly files: Files,
  ) {}

  async reads({ config }: Node, view: ViewReader): Promise<Result<Reads, Failure>> {
    const project = await readUvProject(config.root, view);
    if (!project.ok) return project;
    const { lock, files, locals, hasSettings } = project.value;
    if (locals.length === 0) return succeed({ facts: { locals: [] }, pure: true });
    const sources = await sourcesOf(view, locals, { isLocked: true });
    const facts: Facts = {
      withDefaultGroups: view.run.mode === 'test',
      hasSettings,
      locals,
      ...readingFact(sources),
      ...indexFact(planIndex(lock, this.index(config))),
    };
    return succeed({
      files: [...new Set([...files, ...sources.patterns])].sort(),
      facts: facts as unknown as JSONObject,
      // Build tools are not pinned, and the code is the app's own.
      scope: 'app',
    });
  }

  async run({ config, inputs }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    const facts = context.facts as unknown as Facts;
    if (facts.locals.length === 0) return succeed({ outputs: { packages: inputs.packages } });
    const project = await readUvProject(config.root, context.view);
    if (!project.ok) return project;
    return installWithUv({ subprocess: this.subprocess, files: this.files, log: this.log }, context, {
      vendorDir: config.vendorDir,
      root: config.root,
      folder: project.value.folder,
      lockFile: project.value.lockFile,
      part: 'local',
      withDefaultGroups: facts.withDefaultGroups,
      groups: config.groups ?? [],
      leftOut: [],
      hasSettings: facts.hasSettings,
      readingAll: facts.readingAll ?? {},
      indexes: planIndex(project.value.lock, this.index(config)),
      builtIn: facts.locals.filter((path) => context.view.kindOf(path) !== 'file'),
      headline: (command) => `Installing the project using '${command}'`,
    });
  }

  private index(config: Config): string | undefined {
    return config.index ?? this.host.setting('INDEX');
  }
}
