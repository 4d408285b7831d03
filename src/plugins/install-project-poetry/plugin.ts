// Installs the project itself with Poetry, into the Python that has its dependencies. What is installed leads to the
// source, which is part of the slug anyway.

import { readFile, writeFile } from 'node:fs/promises';
import { inject, injectable } from 'inversify';
import {
  fail,
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
import { parsePoetryProject } from '../../manifests/app/poetry-lock.js';
import { changedFiles, takeSnapshot } from '../shared/app-changes.js';
import { inRoot } from '../shared/app-root.js';
import { noPython } from '../shared/failures.js';
import { finishInstall, type InstalledOutputs as Outputs } from '../shared/finish-install.js';
import { LocalProjects } from '../shared/local-projects.js';
import { runPoetry } from '../shared/poetry-command.js';
import { noProjectFile, poetryFailed, unreadableProject } from '../shared/poetry-failures.js';
import { minorOfPython, pythonHome } from '../shared/python-home.js';
import { manifest, type config, type inputs } from './manifest.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
/** What `reads` found out; keyed verbatim. */
interface Facts {
  readonly isPackage: boolean;
  readonly hasBuildScript: boolean;
}

@injectable()
export class InstallProjectPoetry implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(
    @inject(Subprocess) private readonly subprocess: Subprocess,
    @inject(NodeLog) private readonly log: NodeLog,
    @inject(Host) private readonly host: Host,
  ) {}

  async reads({ config }: Node, view: ViewReader): Promise<Result<Reads, Failure>> {
    const file = inRoot(config.root, 'pyproject.toml');
    const bytes = await view.read(file);
    if (bytes === undefined) return fail(noProjectFile(file, inRoot(config.root, 'poetry.lock')));
    const project = parsePoetryProject(bytes);
    if (!project.ok) return fail(unreadableProject(file, project.failure.message));
    const { isPackage, hasBuildScript } = project.value;
    const facts: Facts = { isPackage, hasBuildScript };
    if (!isPackage) return succeed({ facts: facts as unknown as JSONObject, pure: true });
    return succeed({
      files: [inRoot(config.root, '**')],
      facts: facts as unknown as JSONObject,
      ...(hasBuildScript && { scope: 'app' as const }),
    });
  }

  async run({ config, inputs }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    const { vendorDir, root } = config;
    const { isPackage, hasBuildScript } = context.facts as unknown as Facts;
    if (!isPackage) return succeed({ outputs: { packages: inputs.packages } });
    const home = pythonHome(vendorDir);
    const real = `${context.appDir}/${home}`;
    const minor = await minorOfPython(real);
    if (minor === undefined) return fail(noPython(home));
    const before = await takeSnapshot(real, context.signal);
    const projects = hasBuildScript ? await LocalProjects.look(context.appDir, [root], home) : undefined;
    // Not `sync`: without the dependencies in its view it would remove them.
    const args = ['install', '--only-root'];
    const shown = `poetry ${args.join(' ')}`;
    this.log.step(context, `Installing the project using '${shown}'`);
    const exit = await runPoetry(this.subprocess, context, {
      vendorDir,
      minor,
      root,
      args,
      index: this.host.setting('INDEX'),
    });
    if (!exit.ok) return exit;
    if (exit.value.exitCode !== 0) return fail(poetryFailed(shown, exit.value));
    const generated = (await projects?.clean()) ?? [];
    await sortSearchPaths(real, changedFiles(before, await takeSnapshot(real, context.signal)));
    const builtFromSource = hasBuildScript;
    return finishInstall(this.subprocess, context, { vendorDir, minor, before, builtFromSource, generated });
  }
}

/** Poetry writes the folders of a project in the order of a hash of their paths, and so in another one in another folder. */
async function sortSearchPaths(real: string, files: readonly string[]): Promise<void> {
  for (const path of files.filter((file) => /^lib\/[^/]+\/site-packages\/[^/]+\.pth$/.test(file))) {
    const text = await readFile(`${real}/${path}`, 'utf8');
    await writeFile(
      `${real}/${path}`,
      text
        .split(/(?<=\n)/)
        .sort()
        .join(''),
    );
  }
}
