// Small apps for each package manager, locked against a test index. Poetry and uv lock their own; the test writes the
// files of pip and Pipenv.

import type { PackageIndex } from './package-index.js';
import { lockedWheel, makePipfile } from './pipfile.js';
import { lockedPoetryApp } from './poetry-apps.js';
import { prepareTool, type PreparedRuntime } from './runtimes.js';
import { lockedApp } from './uv-apps.js';
import { versionOf, type Wheel } from './wheels.js';

export const MANAGERS = ['pip', 'pipenv', 'poetry', 'uv'] as const;
export type Manager = (typeof MANAGERS)[number];
export type Files = Readonly<Record<string, string>>;

/**
 * An app with these packages. `own`: the app names the index, with logins in app variables; otherwise PYFLOW_INDEX
 * names it.
 */
export type Lock = (index: PackageIndex, packages: readonly Wheel[], own?: 'own') => Promise<Files>;

const pinned = (packages: readonly Wheel[]): readonly string[] =>
  packages.map((wheel) => `${wheel.name}==${versionOf(wheel)}`);

export async function lockerOf(manager: Manager, runtime: PreparedRuntime): Promise<Lock> {
  const python = `${runtime.appDir}/.scalingo/python/bin/python3`;
  switch (manager) {
    case 'pip':
      return async (_, packages) => ({ 'requirements.txt': `${TRUSTED}${packages.map(requirement).join('')}` });
    case 'pipenv':
      return async (index, packages, own) =>
        makePipfile({
          default: Object.fromEntries(packages.map((wheel) => [wheel.name, lockedWheel(wheel)])),
          ...(own && { source: index.url.replace('//', '//${INDEX_USER}:${INDEX_PASSWORD}@') }),
        });
    case 'poetry': {
      const poetryDir = await prepareTool(runtime, 'poetry');
      return (index, packages, own) =>
        lockedPoetryApp({ poetryDir, python }, index, {
          dependencies: pinned(packages),
          ...(own && { ownSource: true }),
        });
    }
    case 'uv': {
      const uvDir = await prepareTool(runtime, 'uv');
      return (index, packages) => lockedApp({ uvDir, python }, index, { dependencies: pinned(packages) });
    }
  }
}

/** App variables with the login for the app's own index. */
export function loginVariables(manager: Manager, index: PackageIndex): Readonly<Record<string, string>> {
  const { user, password } = index.login;
  switch (manager) {
    case 'pip':
      return { PIP_EXTRA_INDEX_URL: index.urlWithLogin };
    case 'pipenv':
      return { INDEX_USER: user, INDEX_PASSWORD: password };
    case 'poetry':
      return { POETRY_HTTP_BASIC_TEST_USERNAME: user, POETRY_HTTP_BASIC_TEST_PASSWORD: password };
    case 'uv':
      return { UV_INDEX_TEST_USERNAME: user, UV_INDEX_TEST_PASSWORD: password };
  }
}

/** Without this, pip does not cache downloads from an index without TLS, while it caches all others. */
const TRUSTED = '--trusted-host 127.0.0.1\n';

/** A line of requirements.txt with a digest. */
export const requirement = (wheel: Wheel): string =>
  `${wheel.name}==${versionOf(wheel)} --hash=sha256:${wheel.sha256}\n`;
