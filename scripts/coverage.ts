// Runs the tests of .mocharc.json and says what they cover of src, by folder and by district of the engine.
//
//   npm run coverage                             fails if a demanding district is below its goal
//   npm run coverage -- test/engine/store        runs some tests only, and fails for nothing but them
//   npm run coverage -- --show src/engine/store  also lists the lines of these files that are not covered

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { coverageOf, sumOf, type FileCoverage } from './coverage/coverage.js';
import { areaOf, faultsOf, percentText, uncoveredText } from './coverage/goals.js';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

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
    if (status !== 0 || positionals.length > 0) return status;
    const faults = faultsOf(files);
    print(faults.join(''));
    return faults.length === 0 ? 0 : 1;
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

process.exitCode = main();
