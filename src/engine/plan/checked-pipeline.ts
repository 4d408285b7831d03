// The checked pipeline of a file: from the cache if file, params and kinds are unchanged, otherwise loaded by
// manifests/pipeline/load.ts and checked by manifests/pipeline/check.ts.

import { readFileSync } from 'node:fs';
import { canonicalJSON } from '../../manifests/json-schema.js';
import type { pluginPathsOf } from '../../manifests/pipeline/load.js';
import type { CheckedPipeline } from '../../manifests/pipeline/manifest.js';
import type { Problem } from '../../manifests/pipeline/problem.js';
import type { KnownKind } from '../../manifests/plugin-manifest.js';
import type { Composition } from '../composition.js';
import { holdsUserinfo } from '../secrets/credentials.js';
import { sha256Hex } from '../files/digest.js';
import { noteCacheRoot } from '../files/private-files.js';
import { fail, hasSameCode, succeed, type Result } from '../failure.js';
import type { Refusal, RunRequest } from '../request.js';
import { readSealed, writeSealed } from '../files/sealed-json.js';

/** A pipeline file that passed all checks, for the params and kinds that were given. */
export interface CheckedRequest {
  readonly pipeline: CheckedPipeline;
  /** SHA-256 of the file's bytes. */
  readonly pipelineDigest: string;
  readonly kinds: ReadonlyMap<string, KnownKind>;
  /** Absolute paths of outside plugins. */
  readonly pluginFiles: readonly string[];
}

/** 2: warnings are diagnostics. 3: nodes name what their retries cover, and what they read. */
const PLAN_FORMAT = 3;

interface CompiledPlan {
  readonly pluginFiles: readonly string[];
  /** Digests of the code of outside plugins, by kind. */
  readonly codes: Readonly<Record<string, string>>;
  readonly pipeline: CheckedPipeline;
}

type PlanRequest = Pick<RunRequest, 'pipelineFile' | 'params' | 'mode' | 'cacheDir'>;

export async function checkPipeline(
  request: PlanRequest,
  composition: Composition,
): Promise<Result<CheckedRequest, Refusal>> {
  // Checked pipelines are the first files that are written into the cache.
  noteCacheRoot(request.cacheDir);
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
  // The file changed while it was read, so the name in the cache would not match the checked content.
  if (digestOfFile(request.pipelineFile) !== pipelineDigest) return succeed({ ...checked.value, pipelineDigest: '' });
  const { pipeline, kinds, pluginFiles } = checked.value;
  const plan: CompiledPlan = { pluginFiles, codes: codesOf(kinds), pipeline };
  // A password in a param or in the file must not get into the cache.
  if (!holdsUserinfo(JSON.stringify(plan))) writeSealed(file, seal, plan);
  return succeed({ ...checked.value, pipelineDigest });
}

/** Empty if the file is unreadable; the checks then report why. */
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
): Promise<Result<Omit<CheckedRequest, 'pipelineDigest'>, Refusal>> {
  const [{ loadPipeline, pluginPathsOf: pathsOf }, { checkPipeline: checkNodes }] = await Promise.all([
    import('../../manifests/pipeline/load.js'),
    import('../../manifests/pipeline/check.js'),
  ]);
  const loaded = await loadPipeline(pipelineFile);
  if (!loaded.ok) return fail({ type: 'diagnostics', ...loaded.failure });
  const plugins = pathsOf(loaded.value);
  const pluginFiles = plugins.map(({ path }) => path);
  const asked = await composition.kinds(pluginFiles);
  const problems = asked.ok ? [] : await pluginProblems(plugins, composition);
  const isToldInPlace = asked.ok || problems.some((problem) => hasSameCode(problem, asked.failure));
  if (!isToldInPlace) return fail({ type: 'failure', failure: asked.failure });
  const kinds = asked.ok ? asked : await composition.kinds([]);
  if (!kinds.ok) return fail({ type: 'failure', failure: kinds.failure });
  const { os, arch } = composition.host;
  const options = { kinds: kinds.value, params, run: { mode, os, arch }, problems };
  const checked = await checkNodes(loaded.value, options);
  if (!checked.ok) return fail({ type: 'diagnostics', ...checked.failure });
  return succeed({ pipeline: checked.value, kinds: kinds.value, pluginFiles });
}

/** Plugins that can't be loaded are reported at their lines, together with all other problems. */
async function pluginProblems(
  plugins: ReturnType<typeof pluginPathsOf>,
  composition: Composition,
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  for (const { path, at } of plugins) {
    const loaded = await composition.kinds([path]);
    if (loaded.ok || loaded.failure.blame !== 'pipeline') continue;
    const { code, title, detail, remedy } = loaded.failure;
    problems.push({
      code,
      severity: 'error',
      path: at,
      message: title,
      ...(detail !== '' && { reason: detail }),
      remedy,
    });
  }
  return problems;
}
