// Package managers in hooks: real Poetry and uv are on the PATH, and use the Python of the slug.

import 'reflect-metadata';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';
import type { Sandbox } from '../../src/engine/process/sandbox/sandbox.js';
import { toolVersion } from '../../src/manifests/catalogue/tools.js';
import { Hook } from '../../src/plugins/hook/plugin.js';
import { operatorCertificates, PluginHarness } from '../support/plugin-harness.js';
import { copyPreparedRuntime, prepareRuntime, prepareTool, type PreparedRuntime } from '../support/runtimes.js';

const PYPROJECT = '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.10"\n';

describe('hooks and package managers, online', function () {
  this.timeout(180_000);
  let root: string;
  let runtime: PreparedRuntime;
  const sandboxes: [name: string, sandbox: Sandbox | undefined][] = [['plain', undefined]];
  before(async function () {
    runtime = await prepareRuntime(this);
    root = mkdtempSync(join(tmpdir(), 'pyflow-online-hooks-'));
    const probed = await probeSandbox('required', {
      searchPath: (process.env['PATH'] ?? '').split(':'),
      passThrough: operatorCertificates(),
      stateDir: join(root, 'state'),
    });
    if (probed.ok) sandboxes.push(['namespaces', probed.value]);
    else console.log('      (without namespaces: not possible on this machine)');
  });
  after(() => {
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  });

  /** Lines that the script wrote to `seen`, for each kind of sandbox. */
  async function run(manager: 'poetry' | 'uv', script: string): Promise<readonly (readonly string[])[]> {
    const tool = await prepareTool(runtime, manager);
    const seen: string[][] = [];
    for (const [name, sandbox] of sandboxes) {
      const folder = join(root, `${manager} ${name}`);
      mkdirSync(folder);
      const harness = new PluginHarness({ root: folder, ...(sandbox && { sandbox }) });
      copyPreparedRuntime(runtime, harness.appDir);
      for (const [path, text] of [
        ['bin/post_compile', script],
        ['pyproject.toml', PYPROJECT],
      ] as const) {
        mkdirSync(dirname(join(harness.appDir, path)), { recursive: true });
        writeFileSync(join(harness.appDir, path), text);
      }
      const { result } = await harness.play(
        new Hook(harness),
        { root: '.', script: 'bin/post_compile', vendorDir: '.scalingo' },
        { tree: '', manager, [manager]: '' },
        { tools: { [manager]: tool } },
      );
      expect(result.ok, `${name}\n${harness.text()}`).to.equal(true);
      seen.push(readFileSync(join(harness.appDir, 'seen'), 'utf8').trimEnd().split('\n'));
    }
    return seen;
  }
  const prefixOf = (index: number, manager: string): string =>
    index === 0 ? join(root, `${manager} plain`, 'run/app/.scalingo/python') : '/app/.scalingo/python';

  it("[poetry.env] runs Poetry's commands in the Python of the slug", async () => {
    const script = `poetry --version > seen
poetry config virtualenvs.create >> seen
poetry run python -c 'import sys; print(sys.prefix)' >> seen`;
    for (const [index, lines] of (await run('poetry', script)).entries()) {
      expect(lines).to.deep.equal([`Poetry (version ${toolVersion('poetry')})`, 'false', prefixOf(index, 'poetry')]);
    }
  });

  it("[uv.env] runs uv's commands in the Python of the slug, and leaves its cache out of the slug", async () => {
    const script = `uv --version | cut -d' ' -f1,2 > seen
uv run --no-sync --offline python -c 'import sys; print(sys.prefix)' >> seen
ls -a | grep -c cache >> seen || :`;
    for (const [index, lines] of (await run('uv', script)).entries()) {
      expect(lines).to.deep.equal([`uv ${toolVersion('uv')}`, prefixOf(index, 'uv'), '0']);
    }
  });
});
