// Installs a package manager with the pip that every runtime brings along, into a folder of its own.

import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { inject, injectable } from 'inversify';
import {
  fail,
  Host,
  NodeLog,
  Subprocess,
  succeed,
  type Failure,
  type FromSchema,
  type Plugin,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
} from '../../engine/sdk.js';
import { toolVersion } from '../../manifests/catalogue/tools.js';
import { noPython } from '../shared/failures.js';
import { walkFiles } from '../shared/file-walk.js';
import { withoutUserinfo } from '../shared/index-url.js';
import { isolatedEnvironment, readableLine } from '../shared/pip-command.js';
import { minorOfPython, pythonHome } from '../shared/python-home.js';
import { editRecord } from '../shared/record.js';
import { noBundledPip, toolInstallFailed, unknownToolVersion } from './failures.js';
import { lockedVersions, lockOf, type ToolLock } from './locks.js';
import { manifest, type config, type inputs } from './manifest.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
interface Outputs {
  readonly version: string;
}

@injectable()
export class FetchTool implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(
    @inject(Subprocess) private readonly subprocess: Subprocess,
    @inject(NodeLog) private readonly log: NodeLog,
    @inject(Host) private readonly host: Host,
  ) {}

  /** The files are pinned by digest, so which index they come from is not in the key. */
  async reads({ config }: Node): Promise<Result<Reads, Failure>> {
    const version = config.version ?? toolVersion(config.name);
    const lock = this.findLock(config.name, version);
    if (lock === undefined) {
      return fail(unknownToolVersion(config.name, version, lockedVersions(config.name)));
    }
    return succeed({ facts: { version, requirements: [...lock.requirements] } });
  }

  /** Overridden by tests, which have files of their own. */
  protected findLock(tool: Config['name'], version: string): ToolLock | undefined {
    return lockOf(tool, version);
  }

  async run({ config }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    const { version, requirements } = context.facts as {
      readonly version: string;
      readonly requirements: readonly string[];
    };
    const home = pythonHome(config.vendorDir);
    const minor = await minorOfPython(`${context.appDir}/${home}`);
    if (minor === undefined) return fail(noPython(home));
    const bundled = `${home}/lib/python${minor}/ensurepip/_bundled`;
    const wheel = await newestPipWheel(`${context.appDir}/${bundled}`);
    if (wheel === undefined) return fail(noBundledPip(bundled));
    const { toolDir } = context;
    const seenToolDir = context.paths.tool;
    if (toolDir === undefined || seenToolDir === undefined) throw new Error('fetch-tool was given no tool folder');

    this.log.step(context, `Installing ${config.name} ${version}`);
    const lock = 'lock.txt';
    await writeFile(`${context.scratchDir}/${lock}`, `${requirements.join('\n')}\n`);
    const index = this.host.setting('INDEX');
    if (index !== undefined) this.log.info(context, `Package index: ${withoutUserinfo(index)}`);
    const exit = await this.subprocess.run(context, {
      argv: [
        `${context.paths.app}/${home}/bin/python`,
        '-I',
        '-B',
        // pip runs straight from its wheel.
        `${context.paths.app}/${bundled}/${wheel}/pip`,
        'install',
        '--disable-pip-version-check',
        '--no-cache-dir',
        '--no-compile',
        '--no-input',
        '--no-warn-script-location',
        '--only-binary=:all:',
        '--progress-bar=off',
        '--quiet',
        '--require-hashes',
        '--root-user-action=ignore',
        `--target=${seenToolDir}`,
        `--requirement=${context.paths.scratch}/${lock}`,
      ],
      cwd: context.paths.scratch,
      env: await isolatedEnvironment(context, { index }),
      network: true,
      filter: (_, text) => readableLine(text),
    });
    if (!exit.ok) return exit;
    if (exit.value.exitCode !== 0) return fail(toolInstallFailed(config.name, version, exit.value));
    await normalizeTool(toolDir);
    return succeed({ outputs: { version } });
  }
}

async function newestPipWheel(folder: string): Promise<string | undefined> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => /^pip-.*\.whl$/.test(name))
    .sort()
    .at(-1);
}

/**
 * Scripts name the interpreter that installed them; a tool is run by the interpreter of whoever uses it, so they go,
 * and their lines in RECORD with them.
 */
async function normalizeTool(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await rm(`${folder}/bin`, { recursive: true, force: true });
  const files = await walkFiles(folder);
  const present = new Set(files.map((file) => file.path));
  for (const { path } of files.filter((file) => file.path.endsWith('.pyc'))) {
    await rm(`${folder}/${path}`);
    present.delete(path);
  }
  for (const { path } of files.filter((file) => /^[^/]+\.dist-info\/RECORD$/.test(file.path))) {
    const text = await readFile(`${folder}/${path}`, 'utf8');
    await writeFile(
      `${folder}/${path}`,
      editRecord(text, (name) => (present.has(name) ? undefined : 'drop')),
    );
  }
}
