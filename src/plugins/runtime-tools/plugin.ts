// Puts the tools of the build into the slug, for apps that call them at run time. They are installed before the app's packages, so a
// version that the app asks for replaces them.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { Folder, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { recordColumns } from '../shared/install/record.js';
import { findPythonInView, pythonHome } from '../shared/python/home.js';
import { wrongTool } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { consoleScripts, packageScript, pipenvScript } from './scripts.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Outputs = Readonly<Record<string, never>>;
type Facts = {
  /** X.Y of the Python. Empty if there is nothing to do. */
  readonly minor: string;
};

const PORTS = ['pip', 'setuptools', 'pipenv'] as const;

@injectable()
export class RuntimeTools implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'log'>) {}

  async reads({ config, inputs }: Node, view: ViewReader): ReadsPromise<Facts> {
    // A tool that is not for this Python is an empty tree.
    const isIdle = !config.enabled || PORTS.every((port) => (inputs[port] ?? '') === '');
    if (isIdle) return succeed({ facts: { minor: '' }, pure: true });
    const python = findPythonInView(view, config.vendorDir);
    return python.ok ? succeed({ facts: { minor: python.value.minor } }) : python;
  }

  async run({ config, inputs }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { minor } = context.facts;
    if (minor === '') return succeed({ outputs: {} });
    const { app, tools } = this.services.files.of(context);
    const home = pythonHome(config.vendorDir);
    const installed: string[] = [];
    for (const port of PORTS.filter((name) => (inputs[name] ?? '') !== '')) {
      const tool = tools[port];
      const info = tool && distInfo(tool, port);
      if (tool === undefined || info === undefined) return fail(wrongTool(port));
      if (port === 'pipenv') await addPipenv({ tool, app, home }, minor);
      else await addPackage({ tool, app, home }, info.folder, minor);
      installed.push(`${port} ${info.version}`);
    }
    this.services.log.step(context, `Adding ${installed.join(' and ')} to the app`);
    return succeed({ outputs: {} });
  }
}

function distInfo(tool: Folder, name: string): { readonly folder: string; readonly version: string } | undefined {
  const folder = tool.names('').find((entry) => entry.startsWith(`${name}-`) && entry.endsWith('.dist-info'));
  return folder === undefined ? undefined : { folder, version: folder.slice(name.length + 1, -'.dist-info'.length) };
}

/** A tool, and the Python that it is added to. */
interface Adding {
  readonly tool: Folder;
  readonly app: Folder;
  /** The slug's Python, app-relative. */
  readonly home: string;
}

/** Adds the tool to the packages, with its commands, as if pip had installed it. */
async function addPackage({ tool, app, home }: Adding, info: string, minor: string): Promise<void> {
  const site = `${home}/lib/python${minor}/site-packages`;
  await copyTree(tool, app, site);
  const scripts = new Map(consoleScripts(tool.readText(`${info}/entry_points.txt`) ?? ''));
  // pip also installs this command for itself, although its metadata does not list it.
  const pip = scripts.get('pip');
  if (pip !== undefined) scripts.set(`pip${minor}`, pip);
  const lines: string[] = [];
  for (const [name, target] of scripts) {
    const text = packageScript(minor, target);
    app.write(`${home}/bin/${name}`, text, 0o755);
    lines.push(`../../../bin/${name},${recordColumns(Buffer.from(text))}\n`);
  }
  // With these lines, an installer that replaces the package finds the commands.
  const record = tool.readText(`${info}/RECORD`) ?? '';
  app.write(`${site}/${info}/RECORD`, `${lines.join('')}${record}`);
}

async function addPipenv({ tool, app, home }: Adding, minor: string): Promise<void> {
  await copyTree(tool, app, `${home}/pipenv/site-packages`);
  app.write(`${home}/pipenv/bin/pipenv`, pipenvScript(minor), 0o755);
}

/** Copies and never links, because the files of a tool tree belong to the store. */
async function copyTree(from: Folder, to: Folder, folder: string): Promise<void> {
  for (const { path, kind } of await from.walk()) {
    if (kind === 'file') from.withFile(path, (file) => to.copyFrom(file, `${folder}/${path}`));
  }
}
