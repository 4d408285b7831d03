// Reads the app's own variables: those of `--env-dir`, which override those that the caller passes on.

import { isUtf8 } from 'node:buffer';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../failure.js';

export type AppVariables = Readonly<Record<string, string>>;

/** One file per variable, as in the classic buildpack API: the file name is the name, the content is the value. */
export async function readAppVariables(
  envDir: string | undefined,
  further: AppVariables = {},
): Promise<Result<AppVariables, Failure>> {
  if (envDir === undefined) return succeed(further);
  const variables: Record<string, string> = { ...further };
  const refused: string[] = [];
  try {
    const entries = await readdir(envDir, { encoding: 'buffer' });
    for (const name of entries.filter((entry) => !isUtf8(entry))) {
      refused.push(`The file name ${shownBytes(name)} is not UTF-8.`);
    }
    const names = entries.filter((entry) => isUtf8(entry)).map((entry) => entry.toString());
    for (const name of names.filter(isVariableName).sort()) {
      const path = join(envDir, name);
      if (!(await stat(path)).isFile()) continue;
      const value = await readFile(path);
      const problem = problemOf(value);
      if (problem === undefined) variables[name] = value.toString().replace(/\n$/, '');
      else refused.push(`${name}: ${problem}`);
    }
  } catch (error) {
    return fail({
      code: 'app::env-dir-unreadable',
      blame: 'pipeline',
      title: `The folder of app variables can't be read: ${envDir}`,
      detail: String((error as Error).message),
      remedy: 'Set --env-dir to a readable folder with one file per variable.',
    });
  }
  return refused.length === 0 ? succeed(variables) : fail(notText(envDir, refused));
}

const isVariableName = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

/** Decoding such a value would silently change it. The message never shows the value, since it may be secret. */
function problemOf(value: Buffer): string | undefined {
  const nul = value.indexOf(0);
  if (nul !== -1) return `byte ${nul + 1} of the value is NUL, which a variable can't contain.`;
  return isUtf8(value) ? undefined : 'the value is not UTF-8.';
}

const notText = (envDir: string, refused: readonly string[]): Failure => ({
  code: 'app::env-dir-not-text',
  blame: 'pipeline',
  title:
    refused.length === 1
      ? `A variable in ${envDir} is not UTF-8 text`
      : `${refused.length} variables in ${envDir} are not UTF-8 text`,
  detail: [...refused].sort().slice(0, MOST_TOLD).join('\n'),
  remedy:
    'Write the value as UTF-8 text, and encode binary data first, for example with `base64 -w0`. Rename or remove files whose names are not UTF-8.',
});
const MOST_TOLD = 20;

/** As a shell quotes them: `BAD\xff`. */
const shownBytes = (name: Buffer): string =>
  [...name]
    .map((byte) =>
      byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
