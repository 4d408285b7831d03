// Compares the reader of requirements files with pip's parser over many random files.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { parseRequirementsLines } from '../../src/manifests/app/requirements-lines.js';
import { readRequirements } from '../../src/manifests/app/requirements.js';
import { requirementsCase, type RequirementsCase } from './requirements-cases.js';

interface PipLine {
  readonly file: string;
  readonly line: number;
  readonly constraint: boolean;
  readonly requirement?: string;
  readonly editable?: boolean;
  readonly hashes?: readonly string[];
  readonly options?: Readonly<Record<string, readonly string[]>>;
}
type PipAnswer = { readonly error: string } | { readonly files: readonly string[]; readonly lines: readonly PipLine[] };

const READER = fileURLToPath(new URL('pip-reader.py', import.meta.url));
/** The options that `pip-reader.py` reports. */
const COMPARED = [
  'index-url',
  'extra-index-url',
  'no-index',
  'find-links',
  'pre',
  'prefer-binary',
  'require-hashes',
  'trusted-host',
];

/** `pip`: a folder that contains pip. Returns how many files pip accepted, and how many it rejected. */
export async function compareWithPip(
  python: string,
  pip: string,
  { runs, seed }: { readonly runs: number; readonly seed: number },
): Promise<{ readonly read: number; readonly refused: number }> {
  const cases = fc.sample(requirementsCase, { numRuns: runs, seed });
  const input = JSON.stringify(
    cases.map(({ files, ...rest }) => ({
      ...rest,
      files: Object.fromEntries(
        Object.entries(files).map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]),
      ),
    })),
  );
  const answers = JSON.parse(
    execFileSync(python, ['-I', '-B', READER, pip], {
      input,
      maxBuffer: 2 ** 30,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    }),
  ) as readonly PipAnswer[];
  let read = 0;
  for (const [index, answer] of answers.entries()) {
    const asked = cases[index]!;
    const closure = await readRequirements(asked.path, async (path) => asked.files[path], {
      env: (name) => asked.env[name],
    });
    if ('error' in answer) continue;
    read += 1;
    const shown = `seed ${seed}, case ${index}: ${show(asked)}`;
    expect(closure.ok, `${shown}\npip reads it`).to.equal(true);
    if (!closure.ok) continue;
    expect([...closure.value.files].sort(), `${shown}\nfiles`).to.deep.equal(answer.files);
    expect(ownLines(asked, closure.value.files), `${shown}\nlines`).to.deep.equal(
      unique(answer.lines.filter(saysAnything).map(pipLine)),
    );
    const listed = (constraint: boolean): readonly string[] =>
      unique(
        answer.lines.filter((line) => line.requirement !== undefined && line.constraint === constraint).map(place),
      );
    expect(unique(closure.value.requirements.map(place)), `${shown}\nrequirements`).to.deep.equal(listed(false));
    expect(unique(closure.value.constraints.map(place)), `${shown}\nconstraints`).to.deep.equal(listed(true));
  }
  return { read, refused: answers.length - read };
}

const place = ({ file, line }: { readonly file: string; readonly line: number }): string => `${file}:${line}`;
const unique = (lines: readonly string[]): readonly string[] => [...new Set(lines)].sort();

const saysAnything = ({ requirement, options }: PipLine): boolean =>
  requirement !== undefined || Object.keys(options ?? {}).length > 0;

/** A file can be read both as requirements and as constraints, so lines are compared once. */
function pipLine({ file, line, requirement, editable, hashes, options }: PipLine): string {
  if (requirement !== undefined) return JSON.stringify([file, line, split(requirement), editable, hashes]);
  return JSON.stringify([file, line, Object.entries(options ?? {}).sort()]);
}

function ownLines({ files, env }: RequirementsCase, read: readonly string[]): readonly string[] {
  const found: string[] = [];
  for (const file of read) {
    const byLine = new Map<number, Map<string, string[]>>();
    for (const entry of parseRequirementsLines(files[file]!, (name) => env[name])) {
      if (entry.type === 'requirement') {
        const { target, marker, hashes, editable, line } = entry;
        found.push(JSON.stringify([file, line, [target, marker ?? ''], editable, [...hashes].sort()]));
        continue;
      }
      const { name, value, line } = entry;
      if (name === 'requirement' || name === 'constraint') continue;
      const options = byLine.get(line) ?? new Map<string, string[]>();
      byLine.set(line, options);
      if (!COMPARED.includes(name)) continue;
      // If there are several indexes, the last one counts.
      options.set(
        name,
        value === undefined ? [] : name === 'index-url' ? [value] : [...(options.get(name) ?? []), value],
      );
    }
    for (const [line, options] of byLine)
      if (options.size > 0) found.push(JSON.stringify([file, line, [...options].sort()]));
  }
  return unique(found);
}

/** Requirement and marker, split like pip's `install_req_from_line` does. */
function split(requirement: string): readonly [string, string] {
  const separator = requirement.includes('://') ? '; ' : ';';
  const at = requirement.indexOf(separator);
  if (at < 0) return [strip(requirement), ''];
  return [strip(requirement.slice(0, at)), strip(requirement.slice(at + separator.length))];
}

/** Strips like Python, which treats U+001C to U+001F as whitespace, but not the byte order mark. */
function strip(text: string): string {
  const isBlank = (character: string): boolean =>
    /[^\S\ufeff]/.test(character) || '\x1c\x1d\x1e\x1f\x85'.includes(character);
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text.charAt(start))) start += 1;
  while (end > start && isBlank(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

const show = ({ files, env }: RequirementsCase): string =>
  JSON.stringify({
    env,
    files: Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, Buffer.from(bytes).toString()])),
  });
