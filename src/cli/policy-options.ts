// The option that names the package policy, and how `pyflow check` shows one.

import { resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import type { OpenedPolicy } from '../engine/packages/open-policy.js';
import type { Refusal } from '../engine/request.js';
import { tellCounts, type CheckDocument } from './check-document.js';
import { EMPTY_VALUE, wrongUsage, type Given, type Option, type UsageProblem } from './command.js';
import { printDiagnostics, printRefusal } from './refusal.js';
import { cacheDirOf } from './run-options.js';
import type { World } from './world.js';

export const POLICY_OPTION: Option = {
  name: 'policy',
  value: 'FILE',
  summary: 'YAML or JSON file that says which packages a build may install (default: $PYFLOW_POLICY)',
};

/** Absolute; undefined if there is no policy. */
export function policyFileOf(
  given: Pick<Given, 'value'>,
  { env, cwd }: Pick<World, 'env' | 'cwd'>,
): Result<string | undefined, UsageProblem> {
  const named = given.value('policy');
  if (named === '') return wrongUsage('--policy needs a file.', EMPTY_VALUE);
  const file = named ?? (env['PYFLOW_POLICY'] || undefined);
  return succeed(file === undefined ? undefined : resolve(cwd, file));
}

interface ShownPolicy extends OpenedPolicy {
  readonly meaning: readonly string[];
}

export async function openPolicyFile(path: string, given: Given, world: World): Promise<Result<ShownPolicy, Refusal>> {
  const { openPolicy } = await import('../engine/packages/open-policy.js');
  const { policyMeaning } = await import('../engine/packages/policy-meaning.js');
  const now = world.now();
  const opened = await openPolicy({ path, cacheDir: cacheDirOf(given, world), now });
  if (!opened.ok) return opened;
  return succeed({ ...opened.value, meaning: policyMeaning(opened.value.policy, now) });
}

export function policyDocument(file: string, opened: Result<ShownPolicy, Refusal>): CheckDocument {
  if (opened.ok) return { file, diagnostics: [], warnings: opened.value.warnings, meaning: opened.value.meaning };
  if (opened.failure.type === 'diagnostics') return { file, diagnostics: opened.failure.diagnostics, warnings: [] };
  return { file, diagnostics: [], warnings: [], failure: opened.failure.failure };
}

/** `file`: as the command line names it. */
export function printPolicy(file: string, opened: Result<ShownPolicy, Refusal>, world: World): void {
  if (!opened.ok) {
    printRefusal(opened.failure, world);
    if (opened.failure.type === 'failure') return;
    const errors = opened.failure.diagnostics.filter(({ severity }) => severity === 'error');
    world.stdout.write(`${file}: ${tellCounts(errors.length, 0)}\n`);
    return;
  }
  const { warnings, text, meaning } = opened.value;
  printDiagnostics(warnings, text, world);
  world.stdout.write(`${file}: ${tellCounts(0, warnings.length)}\n`);
  for (const line of meaning) world.stdout.write(`  ${line}\n`);
}
