// Puts the tools of the build into the slug, for apps that call them at run time. They lie below the app's packages, so a
// version that the app asks for by itself takes their place. Unaware of how tool trees are made.

import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inject, injectable } from 'inversify';
import {
  fail,
  NodeLog,
  succeed,
  type Failure,
  type FromSchema,
  type Plugin,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
  type ViewReader,
} from '../../engine/sdk.js';
import { noPython } from '../shared/failures.js';
import { eachLimited, walkFiles } from '../shared/file-walk.js';
import { minorInView, pythonHome } from '../shared/python-home.js';
import { recordColumns } from '../shared/record.js';
import { wrongTool } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { consoleScripts, packageScript, pipenvScript } from './scripts.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
type Outputs = Readonly<Record<string, never>>;
interface Facts {
  /** X.Y of the Python; empty when there is nothing to do. */
  readonly minor: string;
}

const PORTS = ['pip', 'setuptools', 'pipenv'] as const;

@injectable()
export class RuntimeTools implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(@inject(NodeLog) private readonly log: NodeLog) {}

  async reads({ config, inputs }: Node, view: ViewReader): Promise<Result<Reads, Failure>> {
    // A tool that is not for this Python is an empty tree.
    const isIdle = !config.enabled || PORTS.every((port) => (inputs[port] ?? '') === '');
    if (isIdle) return succeed({ facts: { minor: '' } satisfies Facts, pure: true });
    const home = pythonHome(config.vendorDir);
    const minor = minorInView(view, home);
    return minor === undefined ? fail(noPython(home)) : succeed({ facts: { minor } satisfies Facts });
  }

  async run({ config, inputs }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    const { minor } = context.facts as unknown as Facts;
    if (minor === '') return succeed({ outputs: {} });
    const home = `${context.appDir}/${pythonHome(config.vendorDir)}`;
    const installed: string[] = [];
    for (const port of PORTS.filter((name) => (inputs[name] ?? '') !== '')) {
      const tool = context.toolDirs[port] ?? '';
      const info = await distInfo(tool, port);
      if (info === undefined) return fail(wrongTool(port));
      if (port === 'pipenv') await addPipenv(tool, home, minor);
      else await addPackage(tool, info.folder, home, minor);
      installed.push(`${port} ${info.version}`);
    }
    this.log.step(context, `Adding ${installed.join(' and ')} to the app`);
    return succeed({ outputs: {} });
  }
}

async function distInfo(
  tool: string,
  name: string,
): Promise<{ readonly folder: string; readonly version: string } | undefined> {
  for (const folder of await readdir(tool).catch(() => [])) {
    if (folder.startsWith(`${name}-`) && folder.endsWith('.dist-info')) {
      return { folder, version: folder.slice(name.length + 1, -'.dist-info'.length) };
    }
  }
  return undefined;
}

/** Among the packages, with its commands, as if pip had installed it. */
async function addPackage(tool: string, info: string, home: string, minor: string): Promise<void> {
  const site = `${home}/lib/python${minor}/site-packages`;
  await copyTree(tool, site);
  const entryPoints = await readFile(`${tool}/${info}/entry_points.txt`, 'utf8').catch(() => '');
  const scripts = new Map(consoleScripts(entryPoints));
  // pip gives itself this one as well, although its metadata does not.
  const pip = scripts.get('pip');
  if (pip !== undefined) scripts.set(`pip${minor}`, pip);
  const lines: string[] = [];
  for (const [name, target] of scripts) {
    const text = packageScript(minor, target);
    await writeFile(`${home}/bin/${name}`, text, { mode: 0o755 });
    lines.push(`../../../bin/${name},${recordColumns(Buffer.from(text))}\n`);
  }
  // So that who replaces the package by another version finds them.
  const record = await readFile(`${site}/${info}/RECORD`, 'utf8');
  await writeFile(`${site}/${info}/RECORD`, `${lines.join('')}${record}`);
}

async function addPipenv(tool: string, home: string, minor: string): Promise<void> {
  await copyTree(tool, `${home}/pipenv/site-packages`);
  await mkdir(`${home}/pipenv/bin`, { recursive: true });
  await writeFile(`${home}/pipenv/bin/pipenv`, pipenvScript(minor), { mode: 0o755 });
}

/** Copies, never links: the files of a tool tree belong to the store. */
async function copyTree(from: string, to: string): Promise<void> {
  const files = (await walkFiles(from)).filter(({ kind }) => kind === 'file');
  for (const folder of new Set(files.map(({ path }) => dirname(path)))) {
    await mkdir(`${to}/${folder}`, { recursive: true });
  }
  await eachLimited(files, 8, ({ path }) => copyFile(`${from}/${path}`, `${to}/${path}`));
}
