// Small apps that the real uv locked against a test index.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { PackageIndex } from './package-index.js';

export type Files = Readonly<Record<string, string>>;

export interface UvApp {
  readonly dependencies: readonly string[];
  /** Dependencies in the group `dev`. */
  readonly dev?: readonly string[];
  readonly requiresPython?: string;
  /** More text of pyproject.toml. */
  readonly more?: string;
  /** More files of the app. */
  readonly files?: Files;
}

const list = (names: readonly string[]): string => `[${names.map((name) => `"${name}"`).join(', ')}]`;

/** The files of an app that uses this index as the default. */
export function uvProject(index: PackageIndex, app: UvApp): Files {
  const { dependencies, dev, requiresPython = '>=3.10', more = '', files = {} } = app;
  const groups = dev === undefined ? '' : `[dependency-groups]\ndev = ${list(dev)}\n`;
  return {
    ...files,
    'pyproject.toml': `[project]
name = "shop"
version = "0.1.0"
requires-python = "${requiresPython}"
dependencies = ${list(dependencies)}
${groups}${more}
[[tool.uv.index]]
name = "test"
url = "${index.url}"
default = true
`,
  };
}

/** The same with the lockfile that uv makes. `uvDir`: folder of the tool tree. */
export async function lockedApp(
  tools: { readonly uvDir: string; readonly python: string },
  index: PackageIndex,
  app: UvApp,
  env: Readonly<Record<string, string>> = {},
): Promise<Files> {
  const files = uvProject(index, app);
  const folder = mkdtempSync(join(tmpdir(), 'pyflow-uv-lock-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, 'app', path)), { recursive: true });
      writeFileSync(join(folder, 'app', path), text);
    }
    const { user, password } = index.login;
    await promisify(execFile)(join(tools.uvDir, 'bin/uv'), ['lock', '--quiet', '--python', tools.python], {
      cwd: join(folder, 'app'),
      env: {
        HOME: folder,
        PATH: process.env['PATH'],
        UV_CACHE_DIR: join(folder, 'cache'),
        UV_INDEX_TEST_USERNAME: user,
        UV_INDEX_TEST_PASSWORD: password,
        ...env,
      },
    });
    return { ...files, 'uv.lock': readFileSync(join(folder, 'app/uv.lock'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
