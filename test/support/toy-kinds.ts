// Kinds that a test writes in a few lines and that run in the process of the test: it decides what they return, and when.

import type { Compose } from '../../src/engine/composition.js';
import { fail, succeed, type Failure, type Result } from '../../src/engine/failure.js';
import { sha256Hex } from '../../src/engine/files/digest.js';
import type {
  AnyPlugin,
  JSONObject,
  JSONSchema,
  Reads,
  RunContext,
  RunOutput,
  ViewReader,
} from '../../src/engine/sdk.js';
import { compileKind } from '../../src/manifests/pipeline/compile-kind.js';
import type { KnownKind, PluginManifest } from '../../src/manifests/plugin-manifest.js';

export interface ToyNode {
  readonly config: JSONObject;
  readonly inputs: JSONObject;
}

export interface Toy {
  readonly manifest?: Partial<PluginManifest>;
  /** Default: reads nothing. */
  reads?(node: ToyNode, view: ViewReader): Promise<Result<Reads, Failure>> | Result<Reads, Failure>;
  /** Default: has no outputs. */
  run?(node: ToyNode, context: RunContext): Promise<Result<RunOutput<unknown>, Failure>>;
}

export const schemaOf = (properties: Readonly<Record<string, object>>, ...required: readonly string[]): JSONSchema =>
  ({ type: 'object', properties, required, additionalProperties: false }) as unknown as JSONSchema;

export const TREE = { type: 'string', format: 'output-tree' };
export const TOOL = { type: 'string', format: 'tool-tree' };

export const outputs = (
  values: JSONObject,
  more: Partial<RunOutput<unknown>> = {},
): Result<RunOutput<unknown>, Failure> => succeed({ outputs: values, ...more });

export const toyFailure = (more: Partial<Failure> = {}): Failure => ({
  code: 'toy::failed',
  blame: 'app',
  title: 'The toy failed',
  detail: 'It was told to.',
  remedy: 'Tell it otherwise.',
  ...more,
});
export const failing = (more: Partial<Failure> = {}): Result<never, Failure> => fail(toyFailure(more));

/** A composition that knows these kinds as well. */
export const composeWith =
  (compose: Compose, toys: Readonly<Record<string, Toy>>): Compose =>
  async (options) => {
    const composition = await compose(options);
    const plugins = new Map(Object.entries(toys).map(([kind, toy]) => [kind, pluginOf(kind, toy)]));
    const known = new Map<string, KnownKind>();
    for (const [kind, { manifest }] of plugins) known.set(kind, await compileKind(manifest));
    const kinds = composition.kinds.bind(composition);
    const plugin = composition.plugin.bind(composition);
    return Object.assign(composition, {
      kindsDigest: sha256Hex(JSON.stringify([...plugins.values()].map(({ manifest }) => manifest))),
      kinds: async (files: readonly string[]) => {
        const found = await kinds(files);
        return found.ok ? succeed(new Map([...found.value, ...known])) : found;
      },
      plugin: (kind: string) => (plugins.has(kind) ? Promise.resolve(plugins.get(kind)!) : plugin(kind)),
    });
  };

function pluginOf(kind: string, { manifest, reads, run }: Toy): AnyPlugin {
  return {
    manifest: {
      kind,
      revision: 1,
      description: 'A toy.',
      config: schemaOf({}),
      inputs: schemaOf({}),
      outputs: schemaOf({}),
      writes: [],
      ...manifest,
    },
    reads: async (node, view) => (await reads?.(node, view)) ?? succeed({}),
    run: async (node, context) => (await run?.(node, context)) ?? outputs({}),
  };
}
