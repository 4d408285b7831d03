// Finds out by a trial, once per process, which sandbox this machine has.

import { accessSync, constants, mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../../failure.js';
import { sandboxUnavailable } from '../failures.js';
import { createNamespacesSandbox } from './namespaces.js';
import { loopbackPorts } from './own-network.js';
import { createPlainSandbox } from './plain.js';
import { systemCallFilter } from './seccomp.js';
import type { Sandbox } from './sandbox.js';
import { removeTree } from '../../files/remove-tree.js';
import { makePrivateFolder } from '../../files/private-files.js';

export interface SandboxOptions {
  /** The operator's PATH, to find bubblewrap. */
  readonly searchPath: readonly string[];
  /** Proxy and CA variables of the operator, for commands with a network. */
  readonly passThrough: Readonly<Record<string, string>>;
  /** Our own folder, kept between runs, for files that the sandbox itself needs. */
  readonly stateDir: string;
  /** Ports of this machine's loopback that commands with a network may reach in any case. */
  readonly hostPorts?: readonly number[];
}

export type SandboxMode = 'auto' | 'required' | 'none';

const TRIAL_TIMEOUT_MS = 10_000;
/** By request: the machine does not change during a run, but callers may ask for different things. */
const probed = new Map<string, Promise<Result<Sandbox, string>>>();

/** `auto` never fails: it falls back to mode `none`, with the reason. */
export async function probeSandbox(mode: SandboxMode, options: SandboxOptions): Promise<Result<Sandbox, Failure>> {
  const { passThrough } = options;
  if (mode === 'none') return succeed(createPlainSandbox({ passThrough }));
  const { searchPath, stateDir, hostPorts } = options;
  const key = JSON.stringify([searchPath, stateDir, hostPorts, Object.entries(passThrough).sort()]);
  let trial = probed.get(key);
  if (trial === undefined) {
    trial = tryNamespaces(options);
    probed.set(key, trial);
  }
  const found = await trial;
  // In mode `auto` an index or proxy on this machine that only the app names stays reachable.
  if (found.ok && mode === 'auto')
    return succeed({ ...found.value, open: (request) => found.value.open({ ...request, sharesNetwork: true }) });
  if (found.ok) return found;
  if (mode === 'required') return fail(sandboxUnavailable(found.failure));
  return succeed(createPlainSandbox({ passThrough, fallbackReason: found.failure }));
}

async function tryNamespaces({
  searchPath,
  passThrough,
  stateDir,
  hostPorts = [],
}: SandboxOptions): Promise<Result<Sandbox, string>> {
  if (process.platform !== 'linux') return fail(`${process.platform} has no namespaces`);
  const bwrap = findBubblewrap(searchPath);
  if (bwrap === undefined) return fail('bubblewrap (bwrap) is not in PATH');
  let trialDir: string | undefined;
  try {
    makePrivateFolder(stateDir);
    trialDir = mkdtempSync(join(stateDir, 'trial-'));
    const pasta = findProgram('pasta', searchPath);
    const nsenter = findProgram('nsenter', searchPath);
    const ports = [...new Set([...hostPorts, ...loopbackPorts(Object.values(passThrough))])];
    const network = pasta === undefined || nsenter === undefined ? {} : { network: { pasta, nsenter, ports } };
    let reason: string | undefined;
    for (const isOlder of [false, true]) {
      const sandbox = createNamespacesSandbox({ bwrap, passThrough, stateDir, isOlder, ...network });
      reason = await tryCommand(sandbox, join(trialDir, isOlder ? 'older' : 'newer'));
      if (reason === undefined) return succeed(sandbox);
      if (!reason.includes('Unknown option')) break;
    }
    return fail(reason ?? '');
  } catch (error) {
    return fail((error as Error).message);
  } finally {
    if (trialDir !== undefined) removeTree(trialDir);
  }
}

/**
 * Writes where a command may write, and looks for what it must not have: a kernel setting that can be opened for writing,
 * a capability, a way to new privileges, unfiltered system calls.
 */
const TRIAL = String.raw`
echo tried >/app/file && echo tried >/tmp/file || exit 1
while read -r name value; do
  case $name in
    Cap*:) [ "$value" = 0000000000000000 ] || { echo "a command has capabilities ($name $value)"; exit 1; } ;;
    NoNewPrivs:) [ "$value" = 1 ] || { echo 'a command can gain privileges'; exit 1; } ;;
    Seccomp:) [ "$value" = 2 ] || [ -z "$1" ] || { echo 'system calls are not filtered'; exit 1; } ;;
  esac
done </proc/self/status || exit 1
for file in /proc/sysrq-trigger /proc/sys/kernel/* /proc/sys/vm/* /proc/sys/fs/* /proc/sys/fs/*/*; do
  if [ -f "$file" ] && { { :; } >>"$file"; } 2>/dev/null; then echo "a command can open $file for writing"; exit 1; fi
done
exit 0
`;

/** Runs one command as nodes do, without a network. The reason why that fails, or undefined. */
async function tryCommand(sandbox: Sandbox, trialDir: string): Promise<string | undefined> {
  const folder = (name: string): string => {
    const path = join(trialDir, name);
    mkdirSync(path, { recursive: true });
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
    argv: ['/bin/sh', '-c', TRIAL, 'sh', systemCallFilter(process.arch) === undefined ? '' : 'filtered'],
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

const findBubblewrap = (searchPath: readonly string[]): string | undefined => findProgram('bwrap', searchPath);

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
