// The texts that `pyflow plugins new` writes: a small kind that works, for authors to change into their own. They follow
// docs/writing-plugins.md; a test loads, tests and runs them.

/** Path in the folder -> text. */
export const skeletonOf = (kind: string): Readonly<Record<string, string>> => ({
  [`${kind}.mjs`]: moduleOf(kind),
  [`${kind}.test.mjs`]: testOf(kind),
  'pipeline.yml': pipelineOf(kind),
  'example/lines.txt': 'pear\napple\npear\n',
  'README.md': readmeOf(kind),
  '.gitignore': '.pyflow/\n',
});

/** Quotes words that YAML would not read as text. */
const yamlText = (text: string): string => (['true', 'false', 'null'].includes(text) ? `'${text}'` : text);

const moduleOf = (kind: string): string => `${head(kind)}
${manifestOf(kind)}
${PLUGIN_CLASS}
${failuresOf(kind)}`;

const head = (kind: string): string => `\
// The kind ${kind}: sorts the lines of a file of the app and drops duplicates. Replace this with what your kind does.
// It is one ES module: there is nothing to build and nothing to install.

import { readFile } from 'node:fs/promises';
`;

const manifestOf = (kind: string): string => `\
/** @type {import('pyflow/sdk').PluginManifest} */
export const manifest = {
  kind: '${kind}',
  // Part of every key, like the digest of this file.
  revision: 1,
  description: 'Sorts the lines of a file and drops duplicates.',
  config: {
    type: 'object',
    properties: {
      file: { type: 'string', minLength: 1, default: 'lines.txt', description: 'File of the app to sort.' },
      into: { type: 'string', minLength: 1, default: 'sorted.txt', description: 'File to write.' },
    },
    additionalProperties: false,
  },
  // An input { type: 'string', format: 'output-tree' } would bring the files of another node.
  inputs: { type: 'object', properties: {}, additionalProperties: false },
  outputs: {
    type: 'object',
    properties: {
      lines: { type: 'integer', description: 'How many lines the file has.' },
      tree: { type: 'string', format: 'output-tree', description: 'The written file; the engine fills this in.' },
    },
    required: ['lines', 'tree'],
    additionalProperties: false,
  },
  // Everything that a run may write. Writing anything else fails the node.
  writes: ['\${config.into}'],
  expectedMs: 50,
};
`;

const PLUGIN_CLASS = `\
export class plugin {
  /** Services by name, in the order of the constructor's parameters. */
  static inject = ['Subprocess', 'NodeLog'];

  manifest = manifest;

  /**
   * @param {import('pyflow/sdk').Subprocess} subprocess
   * @param {import('pyflow/sdk').NodeLog} log
   */
  constructor(subprocess, log) {
    this.subprocess = subprocess;
    this.log = log;
  }

  /**
   * Names everything that can change the outcome besides config and inputs: \`run\` sees nothing else. Keep it quick,
   * and change nothing here.
   *
   * @param {{ config: { file: string, into: string } }} node
   * @param {import('pyflow/sdk').ViewReader} view
   */
  async reads({ config: { file } }, view) {
    if (view.kindOf(file) !== 'file') return { ok: false, failure: noFile(file) };
    return { ok: true, value: { files: [file] } };
  }

  /**
   * Whatever differs in \`context.appDir\` at the end becomes the node's layer. The same inputs must give the same bytes.
   *
   * @param {{ config: { file: string, into: string } }} node
   * @param {import('pyflow/sdk').RunContext} context
   */
  async run({ config: { file, into } }, context) {
    this.log.step(context, \`Sorting \${file}\`);
    // Commands run in the folder of the app, and what they print becomes the log of the node.
    const sorted = await this.subprocess.run(context, {
      argv: ['sort', '-u', '-o', into, file],
      env: { LC_ALL: 'C' },
      network: false,
    });
    if (!sorted.ok) return sorted;
    if (sorted.value.exitCode !== 0) return { ok: false, failure: sortFailed(file, sorted.value) };
    const text = await readFile(\`\${context.appDir}/\${into}\`, 'utf8');
    return { ok: true, value: { outputs: { lines: text.split('\\n').length - 1 } } };
  }
}
`;

const failuresOf = (kind: string): string => `\
// Return failures, don't throw them. Codes are stable and begin with the name of the kind.

const noFile = (file) => ({
  code: '${kind}::no-file',
  blame: 'app',
  title: \`\${file} not found\`,
  detail: \`This node sorts the lines of \${file}, but the app has no such file.\`,
  remedy: 'Add the file, or name another one with the config field \`file\`.',
});

const sortFailed = (file, { exitCode, lines }) => ({
  code: '${kind}::sort-failed',
  blame: 'app',
  title: \`sort exited with status \${exitCode} for \${file}\`,
  detail: lines.slice(-20).join('\\n'),
  remedy: 'Fix the file as the message says.',
});
`;

const testOf = (kind: string): string => `// node --test ${kind}.test.mjs

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { manifest, plugin } from './${kind}.mjs';

const config = { file: 'lines.txt', into: 'sorted.txt' };
let appDir;
beforeEach(() => {
  appDir = mkdtempSync(join(tmpdir(), '${kind}-'));
});
afterEach(() => rmSync(appDir, { recursive: true, force: true }));

/** The part of the services and the context that this kind uses. Commands really run. */
const subprocess = {
  run: async (_context, { argv: [program, ...args], env }) => {
    const ran = spawnSync(program, args, { cwd: appDir, env: { ...process.env, ...env }, encoding: 'utf8' });
    return { ok: true, value: { exitCode: ran.status ?? 255, lines: ran.stderr.split('\\n') } };
  },
};
const log = { step() {}, info() {}, notice() {}, progress() {} };
const view = { kindOf: (path) => (existsSync(join(appDir, path)) ? 'file' : undefined) };
const run = () => new plugin(subprocess, log).run({ config, inputs: {} }, { appDir });

test('declares its name and a description for each field', () => {
  assert.equal(manifest.kind, '${kind}');
  for (const { properties } of [manifest.config, manifest.inputs, manifest.outputs])
    for (const [name, { description }] of Object.entries(properties)) assert.ok(description, name);
});

test('reads its file and nothing else', async () => {
  writeFileSync(join(appDir, 'lines.txt'), 'b\\n');
  const reads = await new plugin(subprocess, log).reads({ config, inputs: {} }, view);
  assert.deepEqual(reads, { ok: true, value: { files: ['lines.txt'] } });
});

test('blames the app when the file is missing', async () => {
  const reads = await new plugin(subprocess, log).reads({ config, inputs: {} }, view);
  assert.equal(reads.ok, false);
  assert.equal(reads.failure.code, '${kind}::no-file');
  assert.equal(reads.failure.blame, 'app');
});

test('sorts, and counts each line once', async () => {
  writeFileSync(join(appDir, 'lines.txt'), 'b\\na\\nb\\n');
  assert.deepEqual(await run(), { ok: true, value: { outputs: { lines: 2 } } });
  assert.equal(readFileSync(join(appDir, 'sorted.txt'), 'utf8'), 'a\\nb\\n');
});

test('shows what the command printed when it fails', async () => {
  const ran = await run();
  assert.equal(ran.failure.code, '${kind}::sort-failed');
  assert.match(ran.failure.detail, /lines\\.txt/);
});
`;

const pipelineOf = (kind: string): string => `# pyflow run pipeline.yml --app example
pyflow: 1
name: ${kind}-example
plugins: [${kind}.mjs]
nodes:
  sorted:
    uses: ${yamlText(kind)}
    with: { file: lines.txt }
  show:
    uses: command
    with: { argv: [cat, sorted.txt], reads: [sorted.txt], writes: [] }
    after: [sorted]
`;

const readmeOf = (kind: string): string => `# ${kind}

A kind of node for pyflow.

| File | Content |
| --- | --- |
| \`${kind}.mjs\` | the kind: its manifest, what it reads and what it does |
| \`${kind}.test.mjs\` | its tests |
| \`pipeline.yml\` | a pipeline that uses it |
| \`example/\` | an app for that pipeline |

\`\`\`sh
node --test ${kind}.test.mjs
pyflow check pipeline.yml
pyflow run pipeline.yml --app example   # in the second run everything is up to date
\`\`\`

A pipeline in another folder names the module by a path relative to itself: \`plugins: [../${kind}/${kind}.mjs]\`. pyflow describes the
contract in docs/writing-plugins.md.
`;
