// The checked pipeline of a file, taken from the cache when file, params and kinds are those it was made from.
// Unaware of what the checks are.

import { readFileSync } from 'node:fs';
import { canonicalJSON } from '../manifests/json-schema.js';
import type { CheckedPipeline } from '../manifests/pipeline/manifest.js';
import type { KnownKind } from '../manifests/plugin-manifest.js';
import type { Composition } from './composition.js';
import { holdsUserinfo } from './credentials.js';
import { sha256Hex } from './digest.js';
import { fail, succeed, type Result } from './failure.js';
import type { Refusal, RunRequest } from './pipeline.js';
import { readSealed, writeSealed } from './sealed-json.js';

export interface LoadedPipeline {
  readonly pipeline: CheckedPipeline;
  /** SHA-256 of the file's bytes. */
  readonly pipelineDigest: string;
  readonly kinds: ReadonlyMap<string, KnownKind>;
  /** Absolute paths of outside plugins. */
  readonly pluginFiles: readonly string[];
}

/** 2: warnings are diagnostics. */
const PLAN_FORMAT = 2;

interface CompiledPlan {
  readonly pluginFiles: readonly string[];
  /** Of the code of outside plugins, by kind. */
  readonly codes: Readonly<Record<string, string>>;
  readonly pipeline: CheckedPipeline;
}

type PlanRequest = Pick<RunRequest, 'pipelineFile' | 'params' | 'mode' | 'cacheDir'>;

export async function loadCheckedPipeline(
  request: PlanRequest,
  composition: Composition,
): Promise<Result<LoadedPipeline, Refusal>> {
  const pipelineDigest = digestOfFile(request.pipelineFile);
  const name = planName(request, composition, pipelineDigest);
  const file = `${request.cacheDir}/plans/${name}.json`;
  const seal = { kind: 'plan', version: PLAN_FORMAT, of: name };
  const compiled = pipelineDigest === '' ? undefined : readSealed<CompiledPlan>(file, seal);
  if (compiled !== undefined) {
    const kinds = await composition.kinds(compiled.pluginFiles);
    if (kinds.ok && canonicalJSON(codesOf(kinds.value)) === canonicalJSON(compiled.codes)) {
      const { pipeline, pluginFiles } = compiled;
      return succeed({ pipeline, pipelineDigest, kinds: kinds.value, pluginFiles });
    }
  }
  const checked = await check(request, composition);
  if (!checked.ok) return checked;
  // Changed while it was read: what was checked is not what the name stands for.
  if (digestOfFile(request.pipelineFile) !== pipelineDigest) return succeed({ ...checked.value, pipelineDigest: '' });
  const { pipeline, kinds, pluginFiles } = checked.value;
  const plan: CompiledPlan = { pluginFiles, codes: codesOf(kinds), pipeline };
  // A password in a param or in the file is no business of the cache.
  if (!holdsUserinfo(JSON.stringify(plan))) writeSealed(file, seal, plan);
  return succeed({ ...checked.value, pipelineDigest });
}

/** Empty when the file cannot be read: the checks say why. */
function digestOfFile(path: string): string {
  try {
    return sha256Hex(readFileSync(path));
  } catch {
    return '';
  }
}

function planName(
  { pipelineFile, params, mode }: PlanRequest,
  { kindsDigest, host }: Composition,
  text: string,
): string {
  const { os, arch } = host;
  return sha256Hex(
    canonicalJSON({ format: PLAN_FORMAT, text, file: pipelineFile, params, mode, kindsDigest, os, arch }),
  );
}

const codesOf = (kinds: ReadonlyMap<string, KnownKind>): Record<string, string> =>
  Object.fromEntries(
    [...kinds].flatMap(([kind, { codeDigest }]) => (codeDigest === undefined ? [] : [[kind, codeDigest]])),
  );

async function check(
  { pipelineFile, params, mode }: PlanRequest,
  composition: Composition,
): Promise<Result<Omit<LoadedPipeline, 'pipelineDigest'>, Refusal>> {
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
