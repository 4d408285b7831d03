// Compiles the validators of plugins from outside at run time; shipped kinds have generated ones. Loads ajv on demand.

import type { AnySchema } from 'ajv';
import { loadPatternEngine } from '../text-pattern.js';
import type { KnownKind, PluginManifest, Validate } from '../plugin-manifest.js';

/** Shared with `scripts/schemas.ts`, so that both make the same validators. */
export const KIND_AJV_OPTIONS = {
  strict: true,
  strictRequired: false,
  allowUnionTypes: true,
  allErrors: true,
  useDefaults: true,
  messages: false,
  formats: { 'output-tree': true, 'tool-tree': true },
} as const;
export const KIND_KEYWORDS = [
  { keyword: 'x-may-be-absent', schemaType: 'boolean' },
  { keyword: 'x-needed-when', schemaType: 'object' },
  { keyword: 'x-type-of', schemaType: 'string' },
  { keyword: 'x-build-data', schemaType: 'string' },
  { keyword: 'x-build-data-failed' },
  { keyword: 'x-explains', schemaType: 'string' },
] as const;

/** Loading ajv takes about as long as starting a process. */
export const loadCompiler = () => import('ajv/dist/2020.js');

/** Throws when a schema is invalid, which only the plugin's author can fix. */
export async function compileKind(manifest: PluginManifest, codeDigest?: string): Promise<KnownKind> {
  // The bundle keeps only the default export of a CommonJS module that is loaded on demand.
  const { default: ajv2020 } = await loadCompiler();
  const { compileLinear } = await loadPatternEngine();
  // ajv wants the text for generated code, which isn't used here.
  const regExp = Object.assign((pattern: string) => compileLinear(pattern), { code: 'compileLinear' });
  const ajv = new ajv2020.Ajv2020({ ...KIND_AJV_OPTIONS, code: { regExp } });
  for (const keyword of KIND_KEYWORDS) ajv.addKeyword({ ...keyword });
  const compile = (schema: AnySchema): Validate => ajv.compile(schema);
  return {
    manifest,
    validateConfig: compile(manifest.config as AnySchema),
    validateInputs: compile(manifest.inputs as AnySchema),
    validateOutputs: compile(manifest.outputs as AnySchema),
    ...(codeDigest !== undefined && { codeDigest }),
  };
}
