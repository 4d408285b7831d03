// The packages of each tool, with digests. About 100 kB of data, so import this module only when a node runs.

import pip from './data/tool-locks/pip.json' with { type: 'json' };
import pipenv from './data/tool-locks/pipenv.json' with { type: 'json' };
import poetry from './data/tool-locks/poetry.json' with { type: 'json' };
import setuptools from './data/tool-locks/setuptools.json' with { type: 'json' };
import uv from './data/tool-locks/uv.json' with { type: 'json' };
import type { ToolName } from './tools.js';

export interface ToolLock {
  /** Name -> version. */
  readonly packages: Readonly<Record<string, string>>;
  /** Lines of a requirements file, each with its hashes. */
  readonly requirements: readonly string[];
}

interface LockFile {
  readonly versions: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly hashes: Readonly<Record<string, readonly string[]>>;
}
const FILES: Readonly<Record<ToolName, LockFile>> = { pip, pipenv, poetry, setuptools, uv };

/** The packages of a tool version for an OS (in Node's spelling) and a Python minor. Undefined when there is no lock. */
export function toolLock(tool: ToolName, version: string, minor: string, os: string): ToolLock | undefined {
  const { versions, hashes } = FILES[tool];
  const lines = ownValue(ownValue(versions, version) ?? {}, minor);
  if (lines === undefined) return undefined;
  const packages: Record<string, string> = {};
  const requirements: string[] = [];
  for (const line of lines) {
    const [pinned = '', marker] = line.split(' ; ');
    if (marker !== undefined && !marker.includes(`"${os}"`)) continue;
    const [name = '', pin = ''] = pinned.split('==');
    packages[name] = pin;
    requirements.push([pinned, ...(hashes[pinned] ?? []).map((hash) => `--hash=sha256:${hash}`)].join(' '));
  }
  return { packages, requirements };
}

const ownValue = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;
