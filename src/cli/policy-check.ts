// How `pyflow check` opens and shows a package policy.

import { succeed, type Result } from '../engine/failure.js';
import type { OpenedPolicy } from '../engine/packages/open-policy.js';
import { policyMeaning, unreadableText } from '../engine/packages/policy-meaning.js';
import type { Refusal } from '../engine/request.js';
import { tellCounts, type CheckDocument } from './check-document.js';
import type { Given } from './command.js';
import { printDiagnostics, printRefusal } from './refusal.js';
import { cacheDirOf } from './run-options.js';
import type { World } from './world.js';

interface ShownPolicy extends OpenedPolicy {
  readonly meaning: readonly string[];
}

export async function openPolicyFile(path: string, given: Given, world: World): Promise<Result<ShownPolicy, Refusal>> {
  const { openPolicy } = await import('../engine/packages/open-policy.js');
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
  const { warnings, text, meaning, unreadable } = opened.value;
  printDiagnostics(warnings, text, world);
  world.stdout.write(`${file}: ${tellCounts(0, warnings.length)}\n`);
  if (unreadable.length > 0) world.stderr.write(`warning: ${unreadableText(unreadable)}\n`);
  for (const line of meaning) world.stdout.write(`  ${line}\n`);
}
