// Finds the Python interpreters of a machine, and decides which of them can become a runtime.

import { basename } from 'node:path';
import type { Files, Host } from '../../../engine/sdk.js';
import { eachLimited } from './each-limited.js';
import type { HostCommand } from './host-command.js';

export interface Interpreter {
  /** X.Y.Z */
  readonly version: string;
  /** The folder with bin/ and lib/. */
  readonly prefix: string;
  /** Why it can't become a runtime, as the end of a sentence after "it". Absent if it can. */
  readonly refusal?: string;
}

const PROBE_TIMEOUT_MS = 10_000;

/** Prints one JSON object. Runs on 3.8 and later, without site-packages. */
const PROBE = `import json, os, sys, sysconfig
std = sysconfig.get_path('stdlib')
scheme = getattr(sysconfig, 'get_default_scheme', None) or getattr(sysconfig, '_get_default_scheme', None)
try:
    wheels = os.listdir(os.path.join(std, 'ensurepip', '_bundled'))
except OSError:
    wheels = []
print(json.dumps({
    'version': '.'.join(map(str, sys.version_info[:3])),
    'level': sys.version_info[3],
    'implementation': sys.implementation.name,
    'prefix': sys.base_prefix,
    'stdlib': std,
    'scheme': scheme() if scheme else '',
    'managed': os.path.exists(os.path.join(std, 'EXTERNALLY-MANAGED')),
    'pip': any(name.startswith('pip-') and name.endswith('.whl') for name in wheels),
    'abi': getattr(sys, 'abiflags', ''),
}))`;

interface Probed {
  readonly version: string;
  readonly level: string;
  readonly implementation: string;
  readonly prefix: string;
  readonly stdlib: string;
  readonly scheme: string;
  readonly managed: boolean;
  readonly pip: boolean;
  readonly abi: string;
}

/**
 * Interpreters of one minor version, newest patch first, usable ones before others of the same patch. Searches only the folders
 * of the setting SYSTEM_PYTHONS if it is set, otherwise pyenv's versions and the search path.
 */
export async function findInterpreters(
  minor: string,
  { host, files, command }: { readonly host: Host; readonly files: Files; readonly command: HostCommand },
  signal: AbortSignal,
): Promise<readonly Interpreter[]> {
  const byPrefix = new Map<string, Interpreter>();
  await eachLimited(candidates(minor, host, files), 2, async (file) => {
    if (signal.aborted) return;
    const found = await probe(file, host, command, signal);
    if (found !== undefined && minorOf(found.version) === minor) byPrefix.set(found.prefix, found);
  });
  return [...byPrefix.values()].sort(
    (a, b) =>
      patchOf(b.version) - patchOf(a.version) ||
      Number(a.refusal !== undefined) - Number(b.refusal !== undefined) ||
      (a.prefix < b.prefix ? -1 : 1),
  );
}

const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');
const patchOf = (version: string): number => Number(version.split('.')[2] ?? 0);

function candidates(minor: string, host: Host, files: Files): readonly string[] {
  const chosen = host.setting('SYSTEM_PYTHONS');
  const names = [`python${minor}`, 'python3'];
  const roots = chosen === undefined ? pyenvRoots(minor, host, files) : chosen.split(':').filter(Boolean);
  const folders = roots.map((root) => `${root}/bin`);
  // A shim takes 100 ms to ask pyenv for the version, and the versions are already listed above.
  if (chosen === undefined) folders.push(...host.searchPath.filter((folder) => basename(folder) !== 'shims'));
  const real = new Set<string>();
  for (const file of folders.flatMap((folder) => names.map((name) => `${folder}/${name}`))) {
    const target = files.machine(file).realPath();
    if (target !== undefined) real.add(target);
  }
  return [...real];
}

function pyenvRoots(minor: string, host: Host, files: Files): readonly string[] {
  const versions = `${host.setting('PYENV_ROOT') ?? `${host.homeDir}/.pyenv`}/versions`;
  const names = files.machine(versions).names();
  return names.filter((name) => name.startsWith(`${minor}.`)).map((name) => `${versions}/${name}`);
}

async function probe(
  file: string,
  host: Host,
  command: HostCommand,
  signal: AbortSignal,
): Promise<Interpreter | undefined> {
  const exit = await command.runTool(file, ['-I', '-S', '-B', '-c', PROBE], {
    timeoutMs: PROBE_TIMEOUT_MS,
    env: { PATH: host.searchPath.join(':'), HOME: host.homeDir, LANG: 'C.UTF-8' },
    signal,
  });
  if (!exit.ok || exit.value.exitCode !== 0) return undefined;
  const probed = parse(exit.value.stdout);
  if (probed === undefined) return undefined;
  const refusal = refusalOf(probed);
  return { version: probed.version, prefix: probed.prefix, ...(refusal !== undefined && { refusal }) };
}

function parse(text: string): Probed | undefined {
  try {
    return JSON.parse(text) as Probed;
  } catch {
    return undefined;
  }
}

function refusalOf(probed: Probed): string | undefined {
  if (probed.implementation !== 'cpython') return `is ${probed.implementation}, not CPython`;
  if (probed.level !== 'final') return 'is a pre-release';
  if (probed.abi !== '') return `is a special build (\`${probed.abi}\`)`;
  if (probed.managed) return 'belongs to the distribution (EXTERNALLY-MANAGED)';
  if (probed.scheme !== 'posix_prefix')
    return `uses the install scheme \`${probed.scheme}\` instead of \`posix_prefix\``;
  if (!probed.pip) return 'has no bundled pip (the distribution split off ensurepip)';
  if (probed.stdlib !== `${probed.prefix}/lib/python${minorOf(probed.version)}`) {
    return `has its standard library in an unusual place (${probed.stdlib})`;
  }
  return undefined;
}
