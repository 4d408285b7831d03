// The option that names the package policy.

import { resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import { EMPTY_VALUE, wrongUsage, type Given, type Option, type UsageProblem } from './command.js';
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
