// A relocatable Python for tests that need a real one, made once per process from an interpreter of this machine.

import { mkdirSync, readdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Context } from 'mocha';
import type { ToolName } from '../../src/manifests/catalogue/tools.js';
import { FetchRuntime } from '../../src/plugins/fetch-runtime/plugin.js';
import { FetchTool } from '../../src/plugins/fetch-tool/plugin.js';
import { PluginHarness } from './plugin-harness.js';
import { protectShared, sharedFolder } from './shared-folder.js';
import { skipBecause } from './skip.js';

export interface PreparedRuntime {
  readonly version: string;
  readonly minor: string;
  /** The folder that contains `.scalingo/python`. */
  readonly appDir: string;
  /** The pip that the interpreter bundles, as a tool tree. */
  readonly pipDir: string;
}

const prepared = new Map<string, Promise<PreparedRuntime>>();

/** CPython versions of pyenv on this machine, newest last. */
export function pyenvVersions(): readonly string[] {
  try {
    return readdirSync(join(homedir(), '.pyenv', 'versions'))
      .filter((name) => /^3\.1\d\.\d+$/.test(name))
      .sort();
  } catch {
    return [];
  }
}

/** Skips the test or suite with a message on machines without pyenv. */
export async function prepareRuntime(mocha: Context): Promise<PreparedRuntime> {
  const version = pyenvVersions().find((name) => name.startsWith('3.12.')) ?? pyenvVersions().at(-1);
  if (version === undefined) {
    return skipBecause(mocha, 'needs a CPython of pyenv');
  }
  return prepareRuntimeOf(version);
}

/** The same for one of `pyenvVersions()`. */
export function prepareRuntimeOf(version: string): Promise<PreparedRuntime> {
  const found = prepared.get(version) ?? make(version);
  prepared.set(version, found);
  return found;
}

const tools = new Map<string, Promise<string>>();

/** The folder of a tool tree at the pinned version, from the package index. Made once per process. */
export function prepareTool(runtime: PreparedRuntime, name: ToolName): Promise<string> {
  const key = `${runtime.version} ${name}`;
  const found = tools.get(key) ?? makeTool(runtime, name);
  tools.set(key, found);
  return found;
}

async function makeTool(runtime: PreparedRuntime, name: ToolName): Promise<string> {
  const root = sharedFolder('pyflow-tool-tree');
  const harness = new PluginHarness({ root });
  copyPreparedRuntime(runtime, harness.appDir);
  const { result, toolDir } = await harness.play(
    new FetchTool(harness),
    { name, vendorDir: '.scalingo' },
    { runtime: '' },
    { makesTool: true },
  );
  if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}`);
  protectShared(toolDir);
  return toolDir;
}

async function make(version: string): Promise<PreparedRuntime> {
  const root = sharedFolder('pyflow-runtime');
  const harness = new PluginHarness({ root });
  const minor = version.split('.').slice(0, 2).join('.');
  const kind = new FetchRuntime(harness, harness.hostCommand);
  const { result } = await harness.play(
    kind,
    { vendorDir: '.scalingo', providers: ['system'] },
    { python: { version, minor, exact: true } },
  );
  if (!result.ok) throw new Error(`${result.failure.title}\n${result.failure.detail}`);
  const pipDir = join(root, 'pip');
  mkdirSync(pipDir);
  const bundled = join(harness.appDir, `.scalingo/python/lib/python${minor}/ensurepip/_bundled`);
  const wheel = readdirSync(bundled).find((name) => name.startsWith('pip-')) ?? '';
  execFileSync(join(harness.appDir, '.scalingo/python/bin/python'), [
    '-m',
    'zipfile',
    '-e',
    join(bundled, wheel),
    pipDir,
  ]);
  protectShared(root);
  return { version, minor, appDir: harness.appDir, pipDir };
}

/** A copy of the runtime that a test can write to. */
export function copyPreparedRuntime(runtime: PreparedRuntime, appDir: string): void {
  copyWritable(join(runtime.appDir, '.scalingo'), join(appDir, '.scalingo'));
}

/** Copies a shared folder to a new place, where its owner can write. */
export function copyWritable(from: string, to: string): void {
  execFileSync('cp', ['-a', '-T', from, to]);
  execFileSync('chmod', ['-R', 'u+w', to]);
}
