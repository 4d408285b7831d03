// Keeps src/plugins/revisions.json: the revision of each shipped kind and the digest of its code. When code changes, either old
// results are wrong and `revision` must be raised, or a person states that the output stays the same.
//
//   npm run revisions                        records new kinds, and kinds with a raised revision
//   npm run revisions -- --same-output KIND  records that the code of KIND changed but its results didn't
//   npm run revisions -- --reset             records everything; only before a first release

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { shippedKinds } from '../src/plugins/index.js';

interface Revision {
  readonly revision: number;
  readonly digest: string;
}
export type RevisionTable = Readonly<Record<string, Revision>>;

const root = fileURLToPath(new URL('..', import.meta.url));
const TABLE = join(root, 'src/plugins/revisions.json');
/** The code that can change a plugin's results, apart from the services. */
const COVERED = ['src/plugins/', 'src/manifests/app/', 'src/manifests/catalogue/'];

export const readTable = (): RevisionTable => JSON.parse(readFileSync(TABLE, 'utf8')) as RevisionTable;

/** Kind -> its row in an up-to-date table. */
export function currentCode(): ReadonlyMap<string, Revision> {
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

/** The module and everything in COVERED that it imports, directly or not. */
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

/** Without lines that are only a comment: rewording one changes no result. */
const codeOf = (path: string): string =>
  readFileSync(join(root, path), 'utf8')
    .replace(/^[ \t]*\/\*\*[\s\S]*?\*\/$/gm, '')
    .replace(/^[ \t]*\/\/.*$/gm, '')
    .replace(/\n{2,}/g, '\n');

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The new table, and the kinds that need a decision. */
export function nextTable(
  old: RevisionTable,
  code: ReadonlyMap<string, Revision>,
  { sameOutput, reset }: { readonly sameOutput: readonly string[]; readonly reset: boolean },
): { readonly table: RevisionTable; readonly undecided: readonly string[] } {
  const undecided: string[] = [];
  const table: Record<string, Revision> = {};
  for (const [kind, now] of code) {
    const before = old[kind];
    const isDecided =
      reset ||
      before === undefined ||
      before.revision !== now.revision ||
      before.digest === now.digest ||
      sameOutput.includes(kind);
    table[kind] = isDecided ? now : before;
    if (!isDecided) undecided.push(kind);
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
