// The checked pipeline of a file, taken from the cache when file, params and kinds are those it was made from.
// Unaware of what the checks are.

import { readFileSync } from 'node:fs';
import { canonicalJSON } from '../manifests/json-schema.js';
import type { CheckedPipeline } from '../manifests/pipeline/manifest.js';
import type { KnownKind } from '../manifests/plugin-manifest.js';
import type { Composition } from './composition.js';
import { sha256Hex } from './digest.js';
import { fail, succeed, type Result } from './failure.js';
import type { Refusal, RunRequest } from './pipeline.js';
import { readSealed, writeSealed } from './sealed-json.js';

export interface LoadedPipeline {
  readonly pipeline: CheckedPipeline;
  readonly kinds: ReadonlyMap<string, KnownKind>;
  /** Absolute paths of outside plugins. */
  readonly pluginFiles: readonly string[];
}

interface CompiledPlan {
  readonly pluginFiles: readonly string[];
  /** Of the code of outside plugins, by kind. */
  readonly codes: Readonly<Record<string, string>>;
  readonly pipeline: CheckedPipeline;
}

export async function loadCheckedPipeline(
  request: Pick<RunRequest, 'pipelineFile' | 'params' | 'mode' | 'cacheDir'>,
  composition: Composition,
): Promise<Result<LoadedPipeline, Refusal>> {
  const folder = `${request.cacheDir}/plans`;
  const name = planName(request, composition);
  const compiled = name === undefined ? undefined : readSealed<CompiledPlan>(`${folder}/${name}.json`);
  if (compiled !== undefined) {
    const kinds = await composition.kinds(compiled.pluginFiles);
    if (kinds.ok && canonicalJSON(codesOf(kinds.value)) === canonicalJSON(compiled.codes)) {
      return succeed({ pipeline: compiled.pipeline, kinds: kinds.value, pluginFiles: compiled.pluginFiles });
    }
  }
  const checked = await check(request, composition);
  if (checked.ok && name !== undefined) {
    const { pipeline, kinds, pluginFiles } = checked.value;
    writeSealed(`${folder}/${name}.json`, { pluginFiles, codes: codesOf(kinds), pipeline } satisfies CompiledPlan);
  }
  return checked;
}

/** Undefined when the file cannot be read: the checks say why. */
function planName(
  { pipelineFile, params, mode }: Pick<RunRequest, 'pipelineFile' | 'params' | 'mode'>,
  { kindsDigest, host }: Composition,
): string | undefined {
  try {
    const text = sha256Hex(readFileSync(pipelineFile));
    return sha256Hex(canonicalJSON({ text, file: pipelineFile, params, mode, kindsDigest, os: host.os, arch: host.arch }));
  } catch {
    return undefined;
  }
}

const codesOf = (kinds: ReadonlyMap<string, KnownKind>): Record<string, string> =>
  Object.fromEntries([...kinds].flatMap(([kind, { codeDigest }]) => (codeDigest === undefined ? [] : [[kind, codeDigest]])));

async function check(
  { pipelineFile, params, mode }: Pick<RunRequest, 'pipelineFile' | 'params' | 'mode'>,
  composition: Composition,
): Promise<Result<LoadedPipeline, Refusal>> {
  const [{ loadPipeline, pluginPathsOf }, { checkPipeline }] = await Promise.all([
    import('../manifests/pipeline/load.js'),
    import('../manifests/pipeline/check.js'),
  ]);
  const loaded = await loadPipeline(pipelineFile);
  if (!loaded.ok) return fail({ type: 'diagnostics', ...loaded.failure });
  const pluginFiles = pluginPathsOf(loaded.value).map(({ path }) => path);
  const kinds = await composition.kinds(pluginFiles);
  if (!kinds.ok) return fail({ type: 'failure', failure: kinds.failure });
  const { os, arch } = composition.host;
  const checked = await checkPipeline(loaded.value, { kinds: kinds.value, params, run: { mode, os, arch } });
  if (!checked.ok) return fail({ type: 'diagnostics', ...checked.failure });
  return succeed({ pipeline: checked.value, kinds: kinds.value, pluginFiles });
}
