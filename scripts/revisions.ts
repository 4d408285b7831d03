// Keeps src/plugins/revisions.json: of each shipped kind its revision and the digest of its code. When code moves, either
// old results became wrong and `revision` must be raised, or somebody says that the output stays the same.
//
//   npm run revisions                        takes over kinds whose revision was raised, and new ones
//   npm run revisions -- --same-output KIND  the code of KIND moved, its results did not
//   npm run revisions -- --reset             takes everything as it is; for use before a first release only

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { shippedKinds } from '../src/plugins/index.js';

export interface Revision {
  readonly revision: number;
  readonly digest: string;
  /** Digests of earlier code of the same revision that gave the same results. */
  readonly sameOutput: readonly string[];
}
export type RevisionTable = Readonly<Record<string, Revision>>;

const root = fileURLToPath(new URL('..', import.meta.url));
const TABLE = join(root, 'src/plugins/revisions.json');
/** What may sway a plugin's results beside the services: its own code, and what it knows of apps and versions. */
const COVERED = ['src/plugins/', 'src/manifests/app/', 'src/manifests/catalogue/'];

export const readTable = (): RevisionTable => JSON.parse(readFileSync(TABLE, 'utf8')) as RevisionTable;

/** Kind -> what the table should say. */
export function currentCode(): ReadonlyMap<string, { readonly revision: number; readonly digest: string }> {
  const kinds = [...shippedKinds.values()].map(({ manifest: { kind, revision } }) => {
    const closure = moduleClosure(`src/plugins/${kind}/plugin.ts`);
    const digest = sha256(
      [...closure]
        .sort()
        .map((path) => `${path} ${sha256(codeOf(path))}\n`)
        .join(''),
    );
    return [kind, { revision, digest }] as const;
  });
  return new Map(kinds.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The module and all that it imports, directly or not, as far as it is covered. */
export function moduleClosure(entry: string): ReadonlySet<string> {
  const closure = new Set<string>();
  const pending = [entry];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (closure.has(path)) continue;
    closure.add(path);
    for (const [, specifier = ''] of codeOf(path).matchAll(/(?:\bfrom|\bimport\(?)\s*['"](\.{1,2}\/[^'"]+\.js)['"]/g)) {
      const target = relative(root, join(root, dirname(path), specifier))
        .replaceAll('\\', '/')
        .replace(/\.js$/, '.ts');
      if (COVERED.some((prefix) => target.startsWith(prefix))) pending.push(target);
    }
  }
  return closure;
}

/** Without comments of their own lines: rewording one changes no result. */
const codeOf = (path: string): string =>
  readFileSync(join(root, path), 'utf8')
    .replace(/^[ \t]*\/\*\*[\s\S]*?\*\/$/gm, '')
    .replace(/^[ \t]*\/\/.*$/gm, '')
    .replace(/\n{2,}/g, '\n');

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The new table, or the kinds for which somebody has to decide. */
export function nextTable(
  old: RevisionTable,
  code: ReturnType<typeof currentCode>,
  { sameOutput, reset }: { readonly sameOutput: readonly string[]; readonly reset: boolean },
): { readonly table: RevisionTable; readonly undecided: readonly string[] } {
  const undecided: string[] = [];
  const table: Record<string, Revision> = {};
  for (const [kind, { revision, digest }] of code) {
    const before = old[kind];
    if (reset || before === undefined || before.revision !== revision) {
      table[kind] = { revision, digest, sameOutput: [] };
    } else if (before.digest === digest) {
      table[kind] = before;
    } else if (sameOutput.includes(kind)) {
      table[kind] = { revision, digest, sameOutput: [...before.sameOutput, before.digest] };
    } else {
      table[kind] = before;
      undecided.push(kind);
    }
  }
  return { table, undecided };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      'same-output': { type: 'string', multiple: true, default: [] },
      reset: { type: 'boolean', default: false },
    },
  });
  const old = values.reset ? {} : readTable();
  const { table, undecided } = nextTable(old, currentCode(), {
    sameOutput: values['same-output'],
    reset: values.reset,
  });
  writeFileSync(TABLE, `${JSON.stringify(table, undefined, 2)}\n`);
  for (const kind of undecided) {
    process.stderr.write(
      `The code of ${kind} moved. Raise its \`revision\` if old results are wrong now; else add --same-output ${kind}\n`,
    );
  }
  if (undecided.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
