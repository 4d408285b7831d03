// The app's own variables: those of `--env-dir`, over those that the caller passes on. Unaware of the operator's environment.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, succeed, type Failure, type Result } from './failure.js';

export type AppVariables = Readonly<Record<string, string>>;

/** One file a variable, as the classic buildpack API has it: its name names the variable, its content is the value. */
export async function readAppVariables(
  envDir: string | undefined,
  further: AppVariables = {},
): Promise<Result<AppVariables, Failure>> {
  if (envDir === undefined) return succeed(further);
  const variables: Record<string, string> = { ...further };
  try {
    const names = (await readdir(envDir)).filter(isVariableName).sort();
    for (const name of names) {
      const path = join(envDir, name);
      if ((await stat(path)).isFile()) variables[name] = (await readFile(path, 'utf8')).replace(/\n$/, '');
    }
  } catch (error) {
    return fail({
      code: 'app::env-dir-unreadable',
      blame: 'pipeline',
      title: `The folder of app variables cannot be read: ${envDir}`,
      detail: String((error as Error).message),
      remedy: 'Give --env-dir a readable folder that holds one file per variable.',
    });
  }
  return succeed(variables);
}

const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
