// Loads a plugin file from outside pyflow: its manifest, its class, and the digest of its code. Unaware of containers.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PluginManifest } from '../manifests/plugin-manifest.js';
import { sha256Hex } from './digest.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import type { AnyPlugin } from './sdk.js';

export interface OutsidePlugin {
  readonly file: string;
  readonly manifest: PluginManifest;
  /** Names of sdk services, in the order of the constructor's parameters. */
  readonly inject: readonly string[];
  readonly create: (...services: readonly unknown[]) => AnyPlugin;
  /** Over the file and everything it imports by a relative path. */
  readonly codeDigest: string;
}

interface PluginModule {
  readonly manifest?: PluginManifest;
  readonly plugin?: (new (...services: readonly unknown[]) => AnyPlugin) & { readonly inject?: readonly string[] };
}

/** An ES module that exports `manifest` and a class `plugin`, whose static `inject` names the services it takes. */
export async function loadOutsidePlugin(
  file: string,
  services: readonly string[],
): Promise<Result<OutsidePlugin, Failure>> {
  let module: PluginModule;
  let codeDigest: string;
  try {
    codeDigest = digestOfCode(file);
    module = (await import(pathToFileURL(file).href)) as PluginModule;
  } catch (error) {
    return fail(cannotLoad(file, (error as Error).message));
  }
  const { manifest, plugin } = module;
  if (typeof plugin !== 'function') return fail(cannotLoad(file, 'It exports no class named plugin.'));
  const missing = ['kind', 'revision', 'description', 'config', 'inputs', 'outputs', 'writes'].filter(
    (field) => (manifest as unknown as Record<string, unknown> | undefined)?.[field] === undefined,
  );
  if (manifest === undefined || missing.length > 0) {
    return fail(cannotLoad(file, `Its export manifest lacks: ${missing.join(', ')}.`));
  }
  const inject = plugin.inject ?? [];
  const unknown = inject.filter((name) => !services.includes(name));
  if (unknown.length > 0) {
    return fail(
      cannotLoad(
        file,
        `It wants services that there are not: ${unknown.join(', ')}. There are ${services.join(', ')}.`,
      ),
    );
  }
  return succeed({ file, manifest, inject, create: (...given) => new plugin(...given), codeDigest });
}

function digestOfCode(entry: string): string {
  const seen = new Map<string, string>();
  const pending = [entry];
  while (pending.length > 0) {
    const file = pending.pop()!;
    if (seen.has(file)) continue;
    const text = readFileSync(file, 'utf8');
    seen.set(file, sha256Hex(text));
    for (const [, specifier] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)) {
      pending.push(resolve(dirname(file), specifier!));
    }
  }
  // The order of names is the order of discovery, which the entry's text alone decides.
  return sha256Hex([...seen.values()].join('\n'));
}

const cannotLoad = (file: string, detail: string): Failure => ({
  code: 'plugin::cannot-load',
  blame: 'pipeline',
  title: `The plugin cannot be loaded: ${file}`,
  detail,
  remedy: 'See docs/writing-plugins.md for what a plugin file exports, and mend the file or its path under plugins.',
});
