// Finds out by trying, once per process, which sandbox this machine has. Unaware of who runs commands in it.

import { accessSync, constants, mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { sandboxUnavailable } from './failures.js';
import { createNamespacesSandbox } from './namespaces.js';
import { createPlainSandbox } from './plain.js';
import type { Sandbox } from './sandbox.js';
import { removeTree } from '../remove-tree.js';

export interface SandboxOptions {
  /** The operator's PATH, where bubblewrap is looked for. */
  readonly searchPath: readonly string[];
  /** Proxy and CA variables of the operator, for commands with a network. */
  readonly passThrough: Readonly<Record<string, string>>;
  /** A folder of ours, kept between runs, for what the sandbox itself needs. */
  readonly stateDir: string;
}

export type SandboxMode = 'auto' | 'required' | 'none';

const TRIAL_TIMEOUT_MS = 10_000;
/** A machine does not change under a run; what was asked of it may. */
const probed = new Map<string, Promise<Result<Sandbox, string>>>();

/** `auto` always gives a sandbox, perhaps one of mode `none` that says why. */
export async function probeSandbox(mode: SandboxMode, options: SandboxOptions): Promise<Result<Sandbox, Failure>> {
  const { passThrough } = options;
  if (mode === 'none') return succeed(createPlainSandbox({ passThrough }));
  const key = JSON.stringify([options.searchPath, options.stateDir, Object.entries(passThrough).sort()]);
  let trial = probed.get(key);
  if (trial === undefined) {
    trial = tryNamespaces(options);
    probed.set(key, trial);
  }
  const found = await trial;
  if (found.ok) return found;
  if (mode === 'required') return fail(sandboxUnavailable(found.failure));
  return succeed(createPlainSandbox({ passThrough, fallbackReason: found.failure }));
}

async function tryNamespaces({ searchPath, passThrough, stateDir }: SandboxOptions): Promise<Result<Sandbox, string>> {
  if (process.platform !== 'linux') return fail(`${process.platform} has no namespaces`);
  const bwrap = findBubblewrap(searchPath);
  if (bwrap === undefined) return fail('bubblewrap (bwrap) is not on the PATH');
  let trialDir: string | undefined;
  try {
    mkdirSync(stateDir, { recursive: true });
    trialDir = mkdtempSync(join(stateDir, 'trial-'));
    const sandbox = createNamespacesSandbox({ bwrap, passThrough, stateDir });
    const reason = await tryCommand(sandbox, trialDir);
    return reason === undefined ? succeed(sandbox) : fail(reason);
  } catch (error) {
    return fail((error as Error).message);
  } finally {
    if (trialDir !== undefined) removeTree(trialDir);
  }
}

/** One command as nodes run them, without a network; why it cannot be, or undefined. */
async function tryCommand(sandbox: Sandbox, trialDir: string): Promise<string | undefined> {
  const folder = (name: string): string => {
    const path = join(trialDir, name);
    mkdirSync(path);
    return path;
  };
  const session = sandbox.open({
    appDir: folder('app'),
    scratchDir: folder('scratch'),
    cacheDir: folder('cache'),
    givenDir: folder('given'),
    tools: {},
  });
  const lines: string[] = [];
  const result = await session.run({
    argv: ['/bin/sh', '-c', 'echo tried >/app/file && echo tried >/tmp/file && test -r /proc/self/status'],
    env: {},
    network: false,
    onLine: (_stream, text) => lines.push(text),
    signal: AbortSignal.timeout(TRIAL_TIMEOUT_MS),
  });
  if (!result.ok) return result.failure.detail;
  return result.value.exitCode === 0
    ? undefined
    : lines.join(' ') || `the trial ended with ${JSON.stringify(result.value)}`;
}

export const findBubblewrap = (searchPath: readonly string[]): string | undefined => findProgram('bwrap', searchPath);

export function findProgram(name: string, searchPath: readonly string[]): string | undefined {
  for (const folder of searchPath) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}
