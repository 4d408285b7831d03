// Writes src/manifests/catalogue/data/tool-locks: for each tool, version and minor of Python in the catalogue, all
// packages that make up the tool, with the digests of their files. A real uv from the package index resolves them.
//
//   npm run tool-locks                       locks what has no lock yet, and removes what the catalogue no longer names
//   npm run tool-locks -- --refresh poetry   locks a tool again (repeatable; `all` for every tool)
//   npm run tool-locks -- --python PATH      the Python that installs uv; default: python3

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import releases from '../src/manifests/catalogue/data/python-releases.json' with { type: 'json' };
import { knownVersions, TOOL_NAMES, toolVersion, type ToolName } from '../src/manifests/catalogue/tools.js';

/** Wheels only, so the result is right on machines of any architecture. */
const PLATFORMS = [
  { uv: 'linux', marker: 'sys_platform == "linux"' },
  { uv: 'macos', marker: 'sys_platform == "darwin"' },
] as const;

interface LockFile {
  readonly about: string;
  /** The day of the last change. */
  retrieved: string;
  source: readonly string[];
  /** Version of the tool -> minor of Python -> its packages, `name==version`, some with a marker. */
  versions: Record<string, Record<string, readonly string[]>>;
  /** `name==version` -> SHA-256 of each of its files. */
  hashes: Record<string, readonly string[]>;
}

const folder = join(fileURLToPath(new URL('..', import.meta.url)), 'src/manifests/catalogue/data/tool-locks');
const minors = releases.minors.filter(({ supported }) => supported).map(({ minor }) => minor);

/** Packages with their hashes, as uv prints them. */
function parseRequirements(text: string): ReadonlyMap<string, readonly string[]> {
  const packages = new Map<string, readonly string[]>();
  for (const entry of text.replaceAll(/\\\n\s*/g, '').split('\n')) {
    const pinned = /^([\w.-]+==[^\s;]+)/.exec(entry)?.[1];
    if (pinned === undefined) continue;
    packages.set(pinned, [...entry.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].map(([, hash = '']) => hash).sort());
  }
  return packages;
}

function lock(uv: string, scratch: string, tool: ToolName, version: string, minor: string, file: LockFile): void {
  const found = PLATFORMS.map((platform) => {
    const wanted = join(scratch, 'wanted.txt');
    writeFileSync(wanted, `${tool}==${version}\n`);
    const settings = ['--no-config', '--quiet', '--no-header', '--no-annotate', '--generate-hashes'];
    const target = ['--only-binary=:all:', '--python-version', minor, '--python-platform', platform.uv];
    const text = execFileSync(
      uv,
      ['pip', 'compile', ...settings, ...target, '--cache-dir', join(scratch, 'cache'), wanted],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, UV_PYTHON_DOWNLOADS: 'never' },
      },
    );
    return { ...platform, packages: parseRequirements(text) };
  });
  const names = [...new Set(found.flatMap(({ packages }) => [...packages.keys()]))].sort();
  (file.versions[version] ??= {})[minor] = names.map((name) => {
    const where = found.filter(({ packages }) => packages.has(name));
    return where.length === found.length ? name : `${name} ; ${where.map(({ marker }) => marker).join(' or ')}`;
  });
  for (const { packages } of found) for (const [name, hashes] of packages) file.hashes[name] = hashes;
}

/** Only what the catalogue names, in a fixed order. */
function tidy(file: LockFile, tool: ToolName): LockFile {
  const versions = Object.fromEntries(
    knownVersions(tool).map((version) => [
      version,
      Object.fromEntries(minors.map((minor) => [minor, file.versions[version]?.[minor] ?? []])),
    ]),
  );
  const used = Object.values(versions).flatMap((locks) => Object.values(locks).flat());
  const names = [...new Set(used.map((line) => line.split(' ', 1)[0] ?? ''))].sort();
  return { ...file, versions, hashes: Object.fromEntries(names.map((name) => [name, file.hashes[name] ?? []])) };
}

function readLockFile(tool: ToolName): LockFile {
  const path = join(folder, `${tool}.json`);
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as LockFile;
  return {
    about: `All that makes up ${tool}, by digest: for each of its versions and each minor of Python the packages with their versions, and under \`hashes\` the SHA-256 of their files. Written by \`npm run tool-locks\`.`,
    retrieved: '',
    source: [],
    versions: {},
    hashes: {},
  };
}

/** A uv of the pinned version, installed from the index. */
function installUv(python: string, scratch: string): string {
  const environment = join(scratch, 'uv');
  execFileSync(python, ['-m', 'venv', environment], { stdio: 'inherit' });
  const wanted = `uv==${toolVersion('uv')}`;
  execFileSync(join(environment, 'bin/pip'), ['install', '--quiet', wanted], { stdio: 'inherit' });
  return join(environment, 'bin/uv');
}

function main(): void {
  const { values } = parseArgs({
    options: {
      refresh: { type: 'string', multiple: true, default: [] },
      python: { type: 'string', default: 'python3' },
    },
  });
  const scratch = mkdtempSync(join(tmpdir(), 'pyflow-tool-locks-'));
  try {
    let uv: string | undefined;
    for (const tool of TOOL_NAMES) {
      const isFresh = values.refresh.includes(tool) || values.refresh.includes('all');
      const file = readLockFile(tool);
      const before = JSON.stringify(file);
      if (isFresh) Object.assign(file, { versions: {}, hashes: {} });
      for (const version of knownVersions(tool)) {
        for (const minor of minors) {
          if (file.versions[version]?.[minor] !== undefined) continue;
          uv ??= installUv(values.python, scratch);
          process.stdout.write(`${tool} ${version} for Python ${minor}\n`);
          lock(uv, scratch, tool, version, minor, file);
        }
      }
      const tidied = tidy(file, tool);
      if (JSON.stringify(tidied) === before) continue;
      tidied.retrieved = new Date().toISOString().slice(0, 10);
      tidied.source = [`the package index, resolved by uv ${toolVersion('uv')}`];
      writeFileSync(join(folder, `${tool}.json`), `${JSON.stringify(tidied, undefined, 2)}\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

main();
