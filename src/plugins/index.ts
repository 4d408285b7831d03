// Every kind that pyflow ships: its manifest as data, and its class on demand.

import type { AnyPlugin } from '../engine/sdk.js';
import type { PluginManifest } from '../manifests/plugin-manifest.js';
import { manifest as command } from './command/manifest.js';
import { manifest as concurrencyProfile } from './concurrency-profile/manifest.js';
import { manifest as detect } from './detect/manifest.js';
import { manifest as djangoCollectstatic } from './django-collectstatic/manifest.js';
import { manifest as fetchRuntime } from './fetch-runtime/manifest.js';
import { manifest as fetchTool } from './fetch-tool/manifest.js';
import { manifest as firstOf } from './first-of/manifest.js';
import { manifest as hook } from './hook/manifest.js';
import { manifest as installDepsPip } from './install-deps-pip/manifest.js';
import { manifest as installDepsPipenv } from './install-deps-pipenv/manifest.js';
import { manifest as installDepsPoetry } from './install-deps-poetry/manifest.js';
import { manifest as installDepsUv } from './install-deps-uv/manifest.js';
import { manifest as installProjectPoetry } from './install-project-poetry/manifest.js';
import { manifest as installProjectUv } from './install-project-uv/manifest.js';
import { manifest as installSqlite } from './install-sqlite/manifest.js';
import { manifest as nltkData } from './nltk-data/manifest.js';
import { manifest as packageManager } from './package-manager/manifest.js';
import { manifest as runtimeEnvironment } from './runtime-environment/manifest.js';
import { manifest as runtimeTools } from './runtime-tools/manifest.js';
import { manifest as versionResolve } from './version-resolve/manifest.js';

// eslint-disable-next-line typescript/no-explicit-any -- the container fills the parameters by their tokens
type PluginClass = new (...services: any[]) => AnyPlugin;

interface ShippedKind {
  readonly manifest: PluginManifest;
  /** Loads the code; only a node that is asked for its reads, or runs, needs it. */
  readonly load: () => Promise<PluginClass>;
}

const kind = (manifest: PluginManifest, load: ShippedKind['load']): ShippedKind => ({ manifest, load });

const shipped: readonly ShippedKind[] = [
  kind(command, async () => (await import('./command/plugin.js')).Command),
  kind(concurrencyProfile, async () => (await import('./concurrency-profile/plugin.js')).ConcurrencyProfile),
  kind(detect, async () => (await import('./detect/plugin.js')).Detect),
  kind(djangoCollectstatic, async () => (await import('./django-collectstatic/plugin.js')).DjangoCollectstatic),
  kind(fetchRuntime, async () => (await import('./fetch-runtime/plugin.js')).FetchRuntime),
  kind(fetchTool, async () => (await import('./fetch-tool/plugin.js')).FetchTool),
  kind(firstOf, async () => (await import('./first-of/plugin.js')).FirstOf),
  kind(hook, async () => (await import('./hook/plugin.js')).Hook),
  kind(installDepsPip, async () => (await import('./install-deps-pip/plugin.js')).InstallDepsPip),
  kind(installDepsPipenv, async () => (await import('./install-deps-pipenv/plugin.js')).InstallDepsPipenv),
  kind(installDepsPoetry, async () => (await import('./install-deps-poetry/plugin.js')).InstallDepsPoetry),
  kind(installDepsUv, async () => (await import('./install-deps-uv/plugin.js')).InstallDepsUv),
  kind(installProjectPoetry, async () => (await import('./install-project-poetry/plugin.js')).InstallProjectPoetry),
  kind(installProjectUv, async () => (await import('./install-project-uv/plugin.js')).InstallProjectUv),
  kind(installSqlite, async () => (await import('./install-sqlite/plugin.js')).InstallSqlite),
  kind(nltkData, async () => (await import('./nltk-data/plugin.js')).NltkData),
  kind(packageManager, async () => (await import('./package-manager/plugin.js')).PackageManager),
  kind(runtimeEnvironment, async () => (await import('./runtime-environment/plugin.js')).RuntimeEnvironment),
  kind(runtimeTools, async () => (await import('./runtime-tools/plugin.js')).RuntimeTools),
  kind(versionResolve, async () => (await import('./version-resolve/plugin.js')).VersionResolve),
];

export const shippedKinds: ReadonlyMap<string, ShippedKind> = new Map(
  shipped.map((kind) => [kind.manifest.kind, kind]),
);
