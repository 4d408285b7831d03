// Builds the container: the only file that sees both engine and plugins.

import 'reflect-metadata';
import { Container } from 'inversify';
import type { Compose, Composition } from './engine/composition.js';
import { sha256Hex } from './engine/files/digest.js';
import { fail, succeed, type Failure, type Result } from './engine/failure.js';
import { downloadService, nodeLogService, packagesService, subprocessService } from './engine/node/node-handle.js';
import type { OutsidePlugin, OutsideSurroundings } from './engine/outside/outside-plugin.js';
import { Plugin, Services } from './engine/sdk.js';
import type { AnyPlugin, Clock, Host } from './engine/sdk.js';
import { passThroughOf } from './engine/app/pass-through.js';
import { archiveService } from './engine/services/archive-service.js';
import { systemClock } from './engine/services/clock.js';
import { filesService } from './engine/services/files.js';
import { readHost } from './engine/services/host.js';
import { runTool } from './engine/process/subprocess.js';
import { canonicalJSON } from './manifests/json-schema.js';
import type { KnownKind } from './manifests/plugin-manifest.js';
import { shippedKinds } from './plugins/index.js';
import { HostCommand } from './plugins/shared/python/host-command.js';
import { validators } from './plugins/validators.generated.js';

/**
 * `environment` is the operator's: the host service reads it, and the app does not get it. `pluginHost` is the program that
 * runs outside plugins, each in its own process.
 */
export const composeFor =
  (environment: Readonly<Record<string, string | undefined>>, pluginHost?: () => string): Compose =>
  async ({ cacheDir, settings }) => {
    const container = new Container({ defaultScope: 'Singleton' });
    const prefixed = Object.entries(settings).map(([name, value]) => [`PYFLOW_${name}`, value]);
    const host = readHost({ ...environment, ...Object.fromEntries(prefixed) });
    const services: Services = {
      archive: archiveService(host.searchPath, nodeLogService),
      clock: systemClock,
      download: downloadService(async () => {
        const { createDownload } = await import('./engine/services/download.js');
        return createDownload({
          cacheDir,
          clock: systemClock,
          proxies: passThroughOf(environment),
          ...paceOf(settings),
        });
      }),
      files: filesService,
      host,
      log: nodeLogService,
      packages: packagesService,
      subprocess: subprocessService,
    };
    container.bind(Services).toConstantValue(services);
    container.bind(HostCommand).toConstantValue({ runTool });
    return new ContainerComposition(container, services, () => surroundingsOf(services, environment, pluginHost));
  };

/** A setting that is not a number counts as unset. */
function paceOf(settings: Readonly<Record<string, string>>) {
  const rate = Number(settings['DOWNLOAD_MIN_RATE'] || undefined);
  const seconds = Number(settings['DOWNLOAD_TIMEOUT'] || undefined);
  return {
    ...(rate >= 0 && { minBytesPerSecond: rate }),
    ...(seconds > 0 && { transferMs: seconds * 1000 }),
  };
}

/** Names that an outside plugin can inject. */
const INJECTABLE = ['Archive', 'Clock', 'Download', 'Files', 'Host', 'NodeLog', 'Subprocess'];

/** The variables of the operator's environment that outside plugins get: no secrets and no settings. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'];
const DEFAULT_MEMORY_MEGABYTES = 1024;
const DEFAULT_LOAD_SECONDS = 30;

function surroundingsOf(
  { host, download, subprocess }: Services,
  environment: Readonly<Record<string, string | undefined>>,
  program: (() => string) | undefined,
): OutsideSurroundings {
  const { os, arch, libc, release, searchPath, homeDir } = host;
  const number = (name: string, least: number, byDefault: number): number => {
    const value = Number(host.setting(name));
    return Number.isFinite(value) && value >= least ? value : byDefault;
  };
  return {
    program: program?.(),
    env: Object.fromEntries(
      PASSED_ON.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
    ),
    host: { os, arch, libc, release, searchPath, homeDir },
    memoryMegabytes: Math.round(number('PLUGIN_MEMORY', 32, DEFAULT_MEMORY_MEGABYTES)),
    loadMs: number('PLUGIN_LOAD_SECONDS', 1, DEFAULT_LOAD_SECONDS) * 1000,
    services: {
      subprocess,
      download,
      // It has `printed` too, which kinds don't get.
      log: nodeLogService,
      setting: (name) => host.setting(name),
    },
    serviceNames: INJECTABLE,
  };
}

class ContainerComposition implements Composition {
  readonly clock: Clock;
  readonly host: Host;
  readonly builderRoot = '';
  readonly kindsDigest = sha256Hex(canonicalJSON([...shippedKinds.values()].map(({ manifest }) => manifest)));
  readonly #outside = new Map<string, OutsidePlugin>();
  /** By file. Also failed loads, because each check asks again. */
  readonly #loads = new Map<string, Promise<Result<OutsidePlugin, Failure>>>();
  readonly #known = new Map<string, KnownKind>(
    [...shippedKinds].map(([kind, { manifest }]) => {
      const { config, inputs, outputs } = validatorsOf(kind);
      return [kind, { manifest, validateConfig: config, validateInputs: inputs, validateOutputs: outputs }];
    }),
  );

  constructor(
    readonly container: Container,
    { clock, host }: Services,
    readonly surroundings: () => OutsideSurroundings,
  ) {
    this.clock = clock;
    this.host = host;
  }

  async kinds(pluginFiles: readonly string[]): Promise<Result<ReadonlyMap<string, KnownKind>, Failure>> {
    const fresh = pluginFiles.filter((file) => ![...this.#outside.values()].some((plugin) => plugin.file === file));
    if (fresh.length === 0) return succeed(this.#known);
    const { knownKind, OutsidePlugin } = await import('./engine/outside/outside-plugin.js');
    const around = this.surroundings();
    const load = (file: string): Promise<Result<OutsidePlugin, Failure>> => {
      let loading = this.#loads.get(file);
      if (loading === undefined) this.#loads.set(file, (loading = OutsidePlugin.load(file, around)));
      return loading;
    };
    const loading = Promise.all([...new Set(fresh)].map(load));
    // Meanwhile the plugin processes start, which takes as long.
    await (await import('./manifests/pipeline/compile-kind.js')).loadCompiler();
    const loaded = await loading;
    for (const one of loaded) {
      if (!one.ok) return one;
      const { kind, file } = one.value;
      if (this.#known.has(kind)) return fail(kindTaken(file, kind));
      const known = await knownKind(one.value);
      if (!known.ok) return known;
      this.#known.set(kind, known.value);
      this.#outside.set(kind, one.value);
    }
    return succeed(this.#known);
  }

  async plugin(kind: string): Promise<AnyPlugin> {
    const outside = this.#outside.get(kind);
    if (outside !== undefined) return outside;
    if (!this.container.isBound(Plugin, { name: kind }))
      this.container
        .bind(Plugin)
        .to(await shippedKinds.get(kind)!.load())
        .whenNamed(kind);
    return this.container.get(Plugin, { name: kind });
  }

  close(): void {
    for (const loading of this.#loads.values()) void loading.then((one) => one.ok && one.value.close());
  }
}

function validatorsOf(kind: string) {
  const generated = validators[kind];
  if (generated !== undefined) return generated;
  throw new Error(`The kind ${kind} has no generated validators. Run \`npm run schemas\`, which writes them.`);
}

const kindTaken = (file: string, kind: string): Failure => ({
  code: 'plugin::kind-taken',
  blame: 'pipeline',
  title: `The plugin ${file} defines a kind that already exists: ${kind}`,
  detail: 'A node that uses this kind would be ambiguous.',
  remedy: 'Rename the kind in the plugin.',
});
