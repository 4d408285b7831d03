// Installs a package manager into a separate folder, with the pip that every runtime bundles.

import { createHash } from 'node:crypto';
import { inject, injectable } from 'inversify';
import { fail, failKnowing, Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import type { ToolLock } from '../../manifests/catalogue/tool-locks.js';
import { isToolFor, knownVersions, toolVersion } from '../../manifests/catalogue/tools.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { planPackages } from '../shared/install/package-plan.js';
import { compileBytecode } from '../shared/python/bytecode.js';
import { findPythonInView, pythonHome } from '../shared/python/home.js';
import { findBundledPip, runBundledPip } from './bundled-pip.js';
import { noLockForPython, toolInstallFailed, unknownToolVersion } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { normalizeTool } from './normalize.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Config = Node['config'];
interface Outputs {
  readonly version: string;
}
/** What `reads` found out; keyed verbatim. */
type Locked = {
  readonly version: string;
  /** X.Y of the Python that installs. */
  readonly minor: string;
  /** Name -> version of everything that is installed, so that `why` can name what changed. */
  readonly packages: Readonly<Record<string, string>>;
  /** Digest of the requirements with their hashes, which are too many to list. */
  readonly lock: string;
};
/** The tool is not for this Python, so the tree stays empty. */
type NotNeeded = { readonly version: ''; readonly minor: string };
type Facts = Locked | NotNeeded;

@injectable()
export class FetchTool implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'packages' | 'subprocess'>,
  ) {}

  /** The files are pinned by digest, so the index that they come from is not in the key. */
  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const { name } = config;
    const version = config.version ?? toolVersion(name);
    if (!knownVersions(name).includes(version)) return fail(unknownToolVersion(name, version, knownVersions(name)));
    const python = findPythonInView(view, config.vendorDir);
    if (!python.ok) return python;
    const { minor } = python.value;
    if (!isToolFor(name, minor)) return succeed({ facts: { version: '', minor }, pure: true });
    const lock = await this.findLock(name, version, minor);
    if (lock === undefined) return failKnowing(noLockForPython(name, version, minor), { version });
    return succeed({ facts: { version, minor, packages: lock.packages, lock: digestOf(lock) } });
  }

  /** Tests override it, because they use other files. */
  protected async findLock(tool: Config['name'], version: string, minor: string): Promise<ToolLock | undefined> {
    const { toolLock } = await import('../../manifests/catalogue/tool-locks.js');
    return toolLock(tool, version, minor, this.services.host.os);
  }

  async run(node: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { facts } = context;
    if (!('lock' in facts)) return succeed({ outputs: { version: '' } });
    const done = await this.install(node, facts, context);
    return done.ok ? done : failKnowing(done.failure, { version: facts.version });
  }

  private async install(
    { config }: Node,
    { version, minor, lock: digest }: Locked,
    context: RunContext,
  ): RunPromise<Outputs> {
    const locked = await this.findLock(config.name, version, minor);
    if (locked === undefined || digestOf(locked) !== digest)
      throw new Error('the lock differs from the one in the key');
    const { host, log } = this.services;
    const { tool } = this.services.files.of(context);
    const seenToolDir = context.paths.tool;
    if (tool === undefined || seenToolDir === undefined) throw new Error('fetch-tool has no tool folder');
    const pip = findBundledPip(this.services.files.of(context).app, pythonHome(config.vendorDir), minor);
    if (!pip.ok) return pip;

    log.step(context, `Installing ${config.name} ${version}`);
    const index = host.setting('INDEX');
    if (index !== undefined) log.info(context, `Package index: ${withoutUserinfo(index)}`);
    const { requirements } = locked;
    const access = await this.services.packages.open(context, await planPackages(context.view, { index }));
    const task = { requirements, into: seenToolDir, index, access };
    const exit = await runBundledPip(this.services, context, pip.value, task);
    if (!exit.ok) return exit;
    if (exit.value.exitCode !== 0) return fail(access.explain(toolInstallFailed(config.name, version, exit.value)));
    // Users of the tool cannot write here, so without bytecode each start would compile it again.
    const compiled = await compileBytecode(this.services, context, {
      python: `${context.paths.app}/${pip.value.python}`,
      files: await normalizeTool(tool),
      root: { seen: seenToolDir, public: `/opt/pyflow/tools/${config.name}` },
    });
    if (!compiled.ok) return compiled;
    return succeed({ outputs: { version } });
  }
}

const digestOf = ({ requirements }: ToolLock): string =>
  createHash('sha256').update(requirements.join('\n')).digest('hex');
