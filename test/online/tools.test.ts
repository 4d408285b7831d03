// Every package manager as a tool tree from the package index: byte-identical wherever it was made, and it runs.

import 'reflect-metadata';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { filesService } from '../../src/engine/services/files.js';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';
import type { Sandbox } from '../../src/engine/process/sandbox/sandbox.js';
import { succeed, type RunContext, type Subprocess } from '../../src/engine/sdk.js';
import { isToolFor, TOOL_NAMES, toolVersion, type ToolName } from '../../src/manifests/catalogue/tools.js';
import { FetchTool } from '../../src/plugins/fetch-tool/plugin.js';
import { pipCommand, pythonToolCommand, uvCommand } from '../../src/plugins/shared/install/tool-command.js';
import { differences, fingerprint, operatorCertificates, PluginHarness } from '../support/plugin-harness.js';
import { copyPreparedRuntime, prepareRuntimeOf, pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

const HOME = '.scalingo/python';
/** The oldest and the newest on this machine, because their package lists differ most. */
const VERSIONS = [...new Set([pyenvVersions().at(0), pyenvVersions().at(-1)])].filter((one) => one !== undefined);

/** Prints a tool's version and its environment. */
class AskTool {
  constructor(
    private readonly subprocess: Subprocess,
    private readonly tool: ToolName,
  ) {}
  async reads() {
    return succeed({});
  }
  async run({ config }: { readonly config: { readonly minor: string } }, context: RunContext) {
    const python = { home: HOME, minor: config.minor };
    const command =
      this.tool === 'uv'
        ? uvCommand(context)
        : this.tool === 'pip'
          ? pipCommand(context, HOME)
          : pythonToolCommand(context, filesService, this.tool as 'pipenv' | 'poetry', python).argv;
    const exit = await this.subprocess.run(context, {
      argv: [...command, '--version'],
      cwd: context.paths.scratch,
      network: false,
      env: { HOME: context.paths.scratch },
    });
    if (!exit.ok) return exit;
    return succeed({ outputs: { text: exit.value.lines.join('\n'), exitCode: exit.value.exitCode } });
  }
}

describe('tools, online', () => {
  let root: string;
  let sandbox: Sandbox | undefined;
  before(async function () {
    if (VERSIONS.length === 0) {
      return skipBecause(this, 'needs a CPython of pyenv');
    }
    root = mkdtempSync(join(tmpdir(), 'pyflow-online-tools-'));
    const probed = await probeSandbox('required', {
      searchPath: (process.env['PATH'] ?? '').split(':'),
      passThrough: operatorCertificates(),
      stateDir: join(root, 'state'),
    });
    sandbox = probed.ok ? probed.value : undefined;
    if (sandbox === undefined) console.log('      (without namespaces: not possible on this machine)');
  });
  after(() => root && rmSync(root, { recursive: true, force: true }));

  for (const version of VERSIONS) {
    it(`[poetry.install-step] gives byte-identical trees that run, in two folders and both sandbox modes, with CPython ${version}`, async () => {
      const runtime = await prepareRuntimeOf(version);
      const { minor } = runtime;
      // Only older Pythons get setuptools.
      const names = TOOL_NAMES.filter((name) => isToolFor(name, minor));
      const harnesses = [
        new PluginHarness({ root: mkdtempSync(join(root, 'a')) }),
        new PluginHarness(
          sandbox === undefined
            ? { root: mkdtempSync(join(root, 'b b, longer')), env: { LANG: 'POSIX', LC_ALL: 'POSIX' } }
            : { root: mkdtempSync(join(root, 'b b, longer')), sandbox },
        ),
      ];
      const made = await Promise.all(
        harnesses.map(async (harness) => {
          const { subprocess } = harness;
          copyPreparedRuntime(runtime, harness.appDir);
          const trees: Partial<Record<ToolName, string>> = {};
          const said: Partial<Record<ToolName, string>> = {};
          for (const name of names) {
            const { result, toolDir } = await harness.play(
              new FetchTool(harness),
              { name, vendorDir: '.scalingo' },
              { runtime: '' },
              { makesTool: true },
            );
            if (!result.ok) throw new Error(`${JSON.stringify(result.failure)}\n${harness.text()}`);
            expect(result.value.outputs.version).to.equal(toolVersion(name));
            trees[name] = toolDir;
            if (name === 'setuptools') continue;
            const asked = await harness.play(
              new AskTool(subprocess, name),
              { minor },
              {},
              { tools: { [name]: toolDir } },
            );
            if (!asked.result.ok) throw new Error(JSON.stringify(asked.result.failure));
            expect(asked.result.value.outputs.exitCode, asked.result.value.outputs.text).to.equal(0);
            said[name] = asked.result.value.outputs.text;
          }
          return { trees, said, appDir: harness.appDir };
        }),
      );
      const [first, second] = made;
      for (const name of names) {
        const [one, other] = [await fingerprint(first!.trees[name]!), await fingerprint(second!.trees[name]!)];
        expect(Object.keys(one).length, name).to.be.greaterThan(3);
        expect(differences(one, other), name).to.deep.equal([]);
        if (name !== 'setuptools') expect(first!.said[name]).to.contain(toolVersion(name));
      }
      expect(readdirSync(join(first!.trees.uv!, 'bin')).sort()).to.deep.equal(['uv', 'uvx']);
      expect(readdirSync(join(first!.appDir, HOME, `lib/python${minor}/site-packages`))).to.deep.equal([]);
      for (const harness of harnesses) harness.close();
    }).timeout(300_000);
  }
});
