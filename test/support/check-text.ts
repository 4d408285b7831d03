// The diagnostics of `pyflow check` for the text of a pipeline, with the shipped kinds.

import { composeFor } from '../../src/composition.js';
import { checkPipeline } from '../../src/manifests/pipeline/check.js';
import type { Diagnostic } from '../../src/manifests/pipeline/diagnostic.js';
import { parsePipeline } from '../../src/manifests/pipeline/load.js';

export async function checkText(text: string, file = 'pipeline.yml'): Promise<readonly Diagnostic[]> {
  const loaded = await parsePipeline(file, text);
  if (!loaded.ok) return loaded.failure.diagnostics;
  const composition = await composeFor({})({ cacheDir: '/nonexistent', settings: {} });
  const kinds = await composition.kinds([]);
  if (!kinds.ok) throw new Error(kinds.failure.title);
  const run = { mode: 'build', os: 'linux', arch: 'x64' } as const;
  const checked = await checkPipeline(loaded.value, { kinds: kinds.value, params: {}, run });
  return checked.ok ? checked.warnings : checked.failure.diagnostics;
}
