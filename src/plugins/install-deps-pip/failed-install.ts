// Explains why an install of requirements failed: asks the index what pip leaves out, and finds the lines in the files.

import type { CommandExit, Failure, RunContext, Subprocess } from '../../engine/sdk.js';
import { pipCommand } from '../shared/install/tool-command.js';
import { nameNotFound } from '../shared/logs/install-log.js';
import { askIndex, askVersions } from '../shared/pip/ask-index.js';
import type { SlugPython } from '../shared/python/home.js';
import { pipFailed } from './failures.js';
import { explainHashMode, lineOf, type WrittenRequirement } from './hash-mode.js';
import { closureOf, requirementsFiles } from './listed.js';

interface FailedRequirements {
  readonly tool: 'pip' | 'uv';
  /** As shown to the user. */
  readonly command: string;
  readonly exit: CommandExit;
  readonly python: SlugPython;
  readonly root: string;
  readonly files: readonly string[];
  readonly valueOf: (name: string) => string | undefined;
  /** The environment of the command that failed, with the indexes that the files name. */
  readonly env: Readonly<Record<string, string>>;
}

export async function explainFailure(
  subprocess: Subprocess,
  context: RunContext,
  failed: FailedRequirements,
): Promise<Failure> {
  const { tool, command, exit, python } = failed;
  const answers = tool === 'uv' ? [] : await askedAgain(subprocess, context, failed);
  const failure = pipFailed(tool, command, exit, answers, { place: context, minor: python.minor });
  return explainHashMode(failure, exit.lines, await writtenRequirements(context, failed)) ?? failure;
}

async function askedAgain(
  subprocess: Subprocess,
  context: RunContext,
  { exit, python, env }: FailedRequirements,
): Promise<readonly string[]> {
  const failed = { pip: pipCommand(context, python.home), env };
  const name = nameNotFound(exit.lines);
  if (name !== undefined) return askIndex(subprocess, context, failed, name);
  const requirement = unavailable(exit.lines);
  return requirement === undefined ? [] : askVersions(subprocess, context, failed, requirement);
}

const UNAVAILABLE = /no matching distributions available for your environment:$/;
const IN_CONFLICT =
  /(?:The user requested(?: \(constraint\))?|depends on) ([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])? ?([=<>!~][^;]*)?/;

/** A package of a conflict that has no file for this Python or machine, with its version specifiers. pip prints no more. */
function unavailable(lines: readonly string[]): string | undefined {
  const start = lines.findIndex((line) => UNAVAILABLE.test(line.trim()));
  const name = start === -1 ? undefined : lines[start + 1]?.trim().split(/[\s=<>!~[]/)[0];
  if (name === undefined || name === '') return undefined;
  const wanted = lines.flatMap((line) => {
    const [, found, specifiers] = IN_CONFLICT.exec(line.trim()) ?? [];
    return found === name && specifiers !== undefined ? [specifiers.replaceAll(/\s/g, '')] : [];
  });
  return wanted.length === 0 ? undefined : `${name}${[...new Set(wanted)].join(',')}`;
}

/** All requirements of the files, with the text of their lines. */
async function writtenRequirements(
  { view }: RunContext,
  { files, root, valueOf }: FailedRequirements,
): Promise<readonly WrittenRequirement[]> {
  const found: WrittenRequirement[] = [];
  for (const path of requirementsFiles(files)) {
    const closure = await closureOf(view, path, root, valueOf);
    if (!closure.ok) continue;
    for (const { name, kind, hashed, marker, file, line } of closure.value.requirements) {
      const text = lineOf(await view.read(file), line);
      found.push({
        kind,
        hashed,
        file,
        line,
        text,
        ...(name !== undefined && { name }),
        ...(marker !== undefined && { marker }),
      });
    }
  }
  return found;
}
