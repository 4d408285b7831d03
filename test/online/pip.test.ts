// Real pip with the package index, in both sandbox modes and with every CPython of this machine.

import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';
import type { Sandbox } from '../../src/engine/process/sandbox/sandbox.js';
import { FetchRuntime } from '../../src/plugins/fetch-runtime/plugin.js';
import { FetchTool } from '../../src/plugins/fetch-tool/plugin.js';
import { InstallDepsPip } from '../../src/plugins/install-deps-pip/plugin.js';
import {
  differences,
  fingerprint,
  operatorCertificates,
  PluginHarness,
  type HarnessOptions,
} from '../support/plugin-harness.js';
import { PackageIndex } from '../support/package-index.js';
import { pyenvVersions } from '../support/runtimes.js';
import { makeWheel } from '../support/wheels.js';
import { skipBecause } from '../support/skip.js';

/** The example app, with every dependency pinned. */
const REQUIREMENTS = `blinker==1.9.0
click==8.5.1
flask==3.1.2
gunicorn==23.0.0
itsdangerous==2.2.0
jinja2==3.1.6
markupsafe==3.0.4
packaging==26.3
werkzeug==3.1.9
`;
const CONFIG = {
  root: '.',
  vendorDir: '.scalingo',
  installer: 'pip',
  requirements: 'requirements.txt',
  testRequirements: 'requirements-test.txt',
} as const;

describe('pip, online', () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-online-'));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** Runtime, tool and dependencies, as in the Python pipeline. */
  async function build(version: string, folder: string, options: HarnessOptions = {}, requirements = REQUIREMENTS) {
    mkdirSync(join(root, folder), { recursive: true });
    const harness = new PluginHarness({ ...options, root: join(root, folder) });
    writeFileSync(join(harness.appDir, 'requirements.txt'), requirements);
    const { host } = harness;
    const minor = version.split('.').slice(0, 2).join('.');
    const runtime = await harness.play(
      new FetchRuntime(harness, harness.hostCommand),
      { vendorDir: '.scalingo', providers: ['system'] },
      { python: { version, minor, exact: true } },
    );
    if (!runtime.result.ok) throw new Error(JSON.stringify(runtime.result.failure));
    const runtimeFiles = await fingerprint(harness.appDir);
    const pip = await harness.play(
      new FetchTool(harness),
      { name: 'pip', vendorDir: '.scalingo' },
      { runtime: '' },
      { makesTool: true },
    );
    if (!pip.result.ok) throw new Error(JSON.stringify(pip.result.failure));
    const install = (settings?: Readonly<Record<string, string>>) =>
      harness.play(
        new InstallDepsPip({
          ...harness,
          host: { ...host, setting: (name) => settings?.[name] ?? host.setting(name) },
        }),
        CONFIG,
        { runtime: '', pip: '' },
        { tools: { pip: pip.toolDir } },
      );
    return { harness, runtimeFiles, toolDir: pip.toolDir, install };
  }

  const namespaces = async (): Promise<Sandbox | undefined> => {
    const probed = await probeSandbox('required', {
      searchPath: (process.env['PATH'] ?? '').split(':'),
      passThrough: operatorCertificates(),
      stateDir: join(root, 'state'),
    });
    return probed.ok ? probed.value : undefined;
  };

  for (const version of pyenvVersions()) {
    it(`gives byte-identical trees in two folders and in both sandbox modes with CPython ${version}`, async () => {
      const sandbox = await namespaces();
      if (sandbox === undefined) console.log('      (without namespaces: not possible on this machine)');
      const builds = [
        await build(version, `${version}-a`),
        await build(version, `${version} b, longer`, { env: { LANG: 'POSIX', LC_ALL: 'POSIX' } }),
        ...(sandbox === undefined ? [] : [await build(version, `${version}-c`, { sandbox })]),
      ];
      const trees = [];
      for (const { harness, install, toolDir, runtimeFiles } of builds) {
        const { result } = await install();
        if (!result.ok) throw new Error(`${JSON.stringify(result.failure)}\n${harness.text()}`);
        expect(Object.keys(result.value.outputs.packages)).to.have.length(9);
        trees.push({ runtimeFiles, tool: await fingerprint(toolDir), app: await fingerprint(harness.appDir) });
      }
      const [first, ...others] = trees;
      for (const other of others) {
        expect(differences(first!.runtimeFiles, other.runtimeFiles), 'runtime').to.deep.equal([]);
        expect(differences(first!.tool, other.tool), 'tool').to.deep.equal([]);
        expect(differences(first!.app, other.app), 'app').to.deep.equal([]);
      }
      const printed = execFileSync(join(builds[0]!.harness.appDir, '.scalingo/python/bin/gunicorn'), ['--version'], {
        cwd: '/',
        encoding: 'utf8',
      });
      expect(printed).to.contain('23.0.0');
      for (const { harness } of builds) harness.close();
    });
  }

  describe('with the pinned pip', () => {
    it('treats a truncated download as a failure of the environment', async function () {
      const version = pyenvVersions().at(-1);
      if (version === undefined) {
        return skipBecause(this, 'needs a CPython of pyenv');
      }
      const helper = makeWheel('helper', '1.5');
      const index = await PackageIndex.start([helper]);
      try {
        const { install, harness } = await build(version, 'trouble', { env: { PIP_RETRIES: '1' } }, 'helper==1.5\n');
        for (const trouble of ['cut-off', 'server-error', 'resets'] as const) {
          index.trouble = trouble;
          const { result } = await install({ INDEX: index.url });
          expect(result.ok, trouble).to.equal(false);
          if (result.ok) continue;
          expect(result.failure, `${trouble}\n${harness.text()}`).to.include({ blame: 'environment', retryable: true });
        }
        index.trouble = undefined;
        const { result } = await install({ INDEX: index.url });
        expect(result.ok && result.value.outputs.packages).to.deep.equal({ helper: '1.5' });
      } finally {
        await index.stop();
      }
    });

    it('builds a package from source, and stores it unless it contains the path of a private folder', async function () {
      const version = pyenvVersions().find((name) => name.startsWith('3.12.'));
      if (version === undefined) {
        return skipBecause(this, 'needs a CPython 3.12 of pyenv');
      }
      const requirements = 'markupsafe==3.0.3\n--no-binary markupsafe\n';
      const { install, harness } = await build(version, 'source', {}, requirements);
      const { result } = await install();
      if (!result.ok) throw new Error(`${JSON.stringify(result.failure)}\n${harness.text()}`);
      expect(result.value.outputs.packages).to.deep.equal({ markupsafe: '3.0.3' });
      expect(result.value.uncacheable).to.equal(undefined);
    });
  });
});
