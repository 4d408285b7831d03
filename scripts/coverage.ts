// Runs the tests of .mocharc.json and says what they cover of src, by folder and by district of the engine.
//
//   npm run coverage                             fails if a demanding district is below its goal
//   npm run coverage -- test/engine/store        runs some tests only, and fails for nothing but them
//   npm run coverage -- --show src/engine/store  also lists the lines of these files that are not covered
//
// scripts/coverage/uncovered.json names the lines of demanding districts that no test can reach, with the reason.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { coverageOf, sumOf, type FileCoverage, type Tally } from './coverage/coverage.js';

/** Where an untested branch can cost a user a wrong slug. */
const DEMANDING = ['src/engine/store', 'src/engine/trees', 'src/engine/node'];
/** Percent of branches. */
const GOAL = 95;

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** File -> text of a line -> why no test reaches it. */
type Excuses = Readonly<Record<string, Readonly<Record<string, string>>>>;

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { show: { type: 'string', multiple: true, default: [] } },
  });
  const folder = mkdtempSync(join(tmpdir(), 'pyflow-coverage-'));
  try {
    const status = runTests(join(folder, 'v8'), positionals, folder);
    const files = coverageOf(join(folder, 'v8'), sourceFiles()).map((one) => ({
      ...one,
      file: relative(root, one.file),
    }));
    print(tableOf(files));
    for (const file of files) if (values.show.some((path) => file.file.startsWith(path))) print(uncoveredText(file));
    if (status !== 0) print('Some tests failed.\n');
    return status === 0 && positionals.length === 0 ? check(files) : status;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const print = (text: string): unknown => process.stdout.write(text);

interface Config {
  readonly 'node-option': readonly string[];
}

/** Exit status of mocha. `paths`: test files or folders; none for all. */
function runTests(v8Folder: string, paths: readonly string[], folder: string): number {
  const config = JSON.parse(readFileSync(join(root, '.mocharc.json'), 'utf8')) as Config;
  const spec = paths.map((path) => (path.endsWith('.ts') ? path : `${path}/**/*.test.ts`));
  // Without require(esm), mocha imports each test. With it, a process loads many files twice, as CommonJS and as a module,
  // and Node keeps one source map for both.
  const nodeOption = [...config['node-option'], 'no-experimental-require-module'];
  const own = {
    ...config,
    'node-option': nodeOption,
    timeout: 120_000,
    reporter: 'dot',
    ...(spec.length > 0 && { spec }),
  };
  writeFileSync(join(folder, 'mocharc.json'), JSON.stringify(own));
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
  const { status } = spawnSync(process.execPath, [mocha, '--config', join(folder, 'mocharc.json')], {
    cwd: root,
    env: { ...process.env, NODE_V8_COVERAGE: v8Folder },
    stdio: 'inherit',
  });
  return status ?? 1;
}

const sourceFiles = (): readonly string[] =>
  readdirSync(join(root, 'src'), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => join(root, 'src', name));

/** The district of a file of the engine, else its top folder. */
const areaOf = (file: string): string => /^src\/(?:engine\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? 'src';

function tableOf(files: readonly FileCoverage[]): string {
  const areas = [...new Set(files.map(({ file }) => areaOf(file)))].sort();
  const rows = areas.map((area) =>
    rowOf(
      area,
      files.filter(({ file }) => areaOf(file) === area),
    ),
  );
  return ['', rowText('', 'lines', 'branches', ''), ...rows, rowOf('all', files), '', ''].join('\n');
}

function rowOf(name: string, files: readonly FileCoverage[]): string {
  const [lines, branches] = [sumOf(files.map((file) => file.lines)), sumOf(files.map((file) => file.branches))];
  return rowText(name, percentText(lines), percentText(branches), `${branches.covered} of ${branches.total}`);
}

const rowText = (name: string, lines: string, branches: string, count: string): string =>
  `${name.padEnd(24)}${lines.padStart(9)}${branches.padStart(10)}${count.padStart(16)}`.trimEnd();

const percentOf = ({ covered, total }: Tally): number => (total === 0 ? 100 : (100 * covered) / total);

/** Rounded down: 95 % means that much. */
const percentText = (tally: Tally): string => `${(Math.floor(percentOf(tally) * 10) / 10).toFixed(1)} %`;

function uncoveredText({ file, uncovered }: FileCoverage): string {
  return uncovered.map(({ line, text }) => `${file}:${line}: ${text}\n`).join('');
}

/** Exit status: 1 if a demanding district misses the goal by lines without an excuse, or an excuse is out of date. */
function check(files: readonly FileCoverage[]): number {
  const excuses = JSON.parse(readFileSync(join(root, 'scripts/coverage/uncovered.json'), 'utf8')) as Excuses;
  const faults = [...DEMANDING.flatMap((area) => faultsIn(area, files, excuses)), ...staleIn(files, excuses)];
  print(faults.join(''));
  return faults.length === 0 ? 0 : 1;
}

function faultsIn(area: string, all: readonly FileCoverage[], excuses: Excuses): readonly string[] {
  const files = all.filter(({ file }) => areaOf(file) === area);
  const branches = sumOf(files.map((file) => file.branches));
  if (percentOf(branches) >= GOAL) return [];
  const unexcused = files.map((file) => ({
    ...file,
    uncovered: file.uncovered.filter(({ text }) => excuses[file.file]?.[text] === undefined),
  }));
  if (unexcused.every(({ uncovered }) => uncovered.length === 0)) return [];
  const title = `Tests cover ${percentText(branches)} of the branches of ${area}; the goal is ${GOAL} %. Test these lines:\n`;
  return [title, ...unexcused.map(uncoveredText)];
}

function staleIn(files: readonly FileCoverage[], excuses: Excuses): readonly string[] {
  const uncovered = new Map(files.map((file) => [file.file, new Set(file.uncovered.map(({ text }) => text))]));
  return Object.entries(excuses).flatMap(([file, lines]) =>
    Object.keys(lines)
      .filter((text) => uncovered.get(file)?.has(text) !== true)
      .map(
        (text) =>
          `Tests cover this line, or it is gone. Remove it from scripts/coverage/uncovered.json: ${file}: ${text}\n`,
      ),
  );
}

process.exitCode = main();
