// Builds the container: the only file that sees both engine and plugins.

import 'reflect-metadata';
import { Container } from 'inversify';
import type { Compose, Composition } from './engine/composition.js';
import { sha256Hex } from './engine/digest.js';
import { fail, succeed, type Failure, type Result } from './engine/failure.js';
import { archiveService, downloadService, nodeLogService, subprocessService } from './engine/node-handle.js';
import { loadOutsidePlugin, type OutsidePlugin } from './engine/outside-plugin.js';
import { Archive, Clock, Download, Files, Host, NodeLog, Plugin, Subprocess, type AnyPlugin } from './engine/sdk.js';
import { passThroughOf } from './engine/pass-through.js';
import { systemClock } from './engine/services/clock.js';
import { filesService } from './engine/services/files.js';
import { readHost } from './engine/services/host.js';
import { runTool } from './engine/subprocess.js';
import { canonicalJSON } from './manifests/json-schema.js';
import type { KnownKind } from './manifests/plugin-manifest.js';
import { shippedKinds } from './plugins/index.js';
import { HostCommand } from './plugins/shared/host-command.js';
import { validators } from './plugins/validators.generated.js';

/** `environment`: of the operator, for what the host service tells; the app's variables come from elsewhere. */
export const composeFor =
  (environment: Readonly<Record<string, string | undefined>>): Compose =>
  async ({ cacheDir, settings }) => {
    const container = new Container({ defaultScope: 'Singleton' });
    const prefixed = Object.entries(settings).map(([name, value]) => [`PYFLOW_${name}`, value]);
    const host = readHost({ ...environment, ...Object.fromEntries(prefixed) });
    container.bind(Clock).toConstantValue(systemClock);
    container.bind(Host).toConstantValue(host);
    container.bind(Subprocess).toConstantValue(subprocessService);
    container.bind(Files).toConstantValue(filesService);
    container.bind(NodeLog).toConstantValue(nodeLogService);
    container.bind(Archive).toConstantValue(archiveService(host.searchPath));
    container.bind(Download).toConstantValue(
      downloadService(async () => {
        const { createDownload } = await import('./engine/services/download.js');
        return createDownload({ cacheDir, clock: systemClock, proxies: passThroughOf(environment) });
      }),
    );
    container.bind(HostCommand).toConstantValue({ runTool });
    return new ContainerComposition(container);
  };

const SERVICES = { Archive, Clock, Download, Files, Host, NodeLog, Subprocess } as const;

class ContainerComposition implements Composition {
  readonly clock = systemClock;
  readonly host: Host;
  readonly kindsDigest = sha256Hex(canonicalJSON([...shippedKinds.values()].map(({ manifest }) => manifest)));
  readonly #outside = new Map<string, OutsidePlugin>();
  readonly #known = new Map<string, KnownKind>(
    [...shippedKinds].map(([kind, { manifest }]) => {
      const { config, inputs, outputs } = validators[kind]!;
      return [kind, { manifest, validateConfig: config, validateInputs: inputs, validateOutputs: outputs }];
    }),
  );

  constructor(readonly container: Container) {
    this.host = container.get(Host);
  }

  async kinds(pluginFiles: readonly string[]): Promise<Result<ReadonlyMap<string, KnownKind>, Failure>> {
    for (const file of pluginFiles) {
      if ([...this.#outside.values()].some((plugin) => plugin.file === file)) continue;
      const loaded = await loadOutsidePlugin(file, Object.keys(SERVICES));
      if (!loaded.ok) return loaded;
      const { manifest, codeDigest } = loaded.value;
      if (this.#known.has(manifest.kind)) return fail(kindTaken(file, manifest.kind));
      try {
        const { compileKind } = await import('./manifests/pipeline/compile-kind.js');
        this.#known.set(manifest.kind, await compileKind(manifest, codeDigest));
      } catch (error) {
        return fail(badSchema(file, (error as Error).message));
      }
      this.#outside.set(manifest.kind, loaded.value);
    }
    return succeed(this.#known);
  }

  async plugin(kind: string): Promise<AnyPlugin> {
    if (!this.container.isBound(Plugin, { name: kind })) {
      const outside = this.#outside.get(kind);
      const binding = this.container.bind(Plugin);
      if (outside === undefined) binding.to(await shippedKinds.get(kind)!.load()).whenNamed(kind);
      else {
        const tokens = outside.inject.map((name) => SERVICES[name as keyof typeof SERVICES]);
        binding.toResolvedValue(outside.create as () => AnyPlugin, tokens as never).whenNamed(kind);
      }
    }
    return this.container.get(Plugin, { name: kind });
  }
}

const kindTaken = (file: string, kind: string): Failure => ({
  code: 'plugin::kind-taken',
  blame: 'pipeline',
  title: `The plugin ${file} brings a kind that there is already: ${kind}`,
  detail: 'A node could not tell which of the two it uses.',
  remedy: 'Give the kind of the plugin another name.',
});
const badSchema = (file: string, detail: string): Failure => ({
  code: 'plugin::bad-schema',
  blame: 'pipeline',
  title: `A schema in the manifest of ${file} is not valid`,
  detail,
  remedy: 'Mend the schema; docs/writing-plugins.md shows which keywords ports may use.',
});
