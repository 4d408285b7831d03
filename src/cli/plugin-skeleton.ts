// The texts that `pyflow plugins new` writes: a kind that works, to be changed into another. They say what
// docs/writing-plugins.md says; a test loads, tests and runs them. Unaware of files.

/** Path in the folder -> text. */
export const skeletonOf = (kind: string): Readonly<Record<string, string>> => ({
  [`${kind}.mjs`]: moduleOf(kind),
  [`${kind}.test.mjs`]: testOf(kind),
  'pipeline.yml': pipelineOf(kind),
  'example/lines.txt': 'pear\napple\npear\n',
  'README.md': readmeOf(kind),
  '.gitignore': '.pyflow/\n',
});

/** Words that YAML would take for something else than text. */
const yamlText = (text: string): string => (['true', 'false', 'null'].includes(text) ? `'${text}'` : text);

const moduleOf = (
  kind: string,
): string => `// The kind ${kind}: sorts the lines of a file of the app, each once. Put in its place what yours does.
// One ES module, no build, nothing to install.

import { readFile } from 'node:fs/promises';

/** @type {import('pyflow/sdk').PluginManifest} */
export const manifest = {
  kind: '${kind}',
  // Part of every key, as the digest of this file is.
  revision: 1,
  description: 'Sorts the lines of a file, each once.',
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
      lines: { type: 'integer', description: 'How many lines there are.' },
      tree: { type: 'string', format: 'output-tree', description: 'What was written; filled in by the engine.' },
    },
    required: ['lines', 'tree'],
    additionalProperties: false,
  },
  // All that a run may write; anything else fails the node.
  writes: ['\${config.into}'],
  expectedMs: 50,
};

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
   * All that may sway the outcome, beyond config and inputs: \`run\` sees nothing else. Quick, and changes nothing.
   *
   * @param {{ config: { file: string, into: string } }} node
   * @param {import('pyflow/sdk').ViewReader} view
   */
  async reads({ config: { file } }, view) {
    if (view.kindOf(file) !== 'file') return { ok: false, failure: noFile(file) };
    return { ok: true, value: { files: [file] } };
  }

  /**
   * Whatever differs in \`context.appDir\` at the end is the node's layer. The same inputs must give the same bytes.
   *
   * @param {{ config: { file: string, into: string } }} node
   * @param {import('pyflow/sdk').RunContext} context
   */
  async run({ config: { file, into } }, context) {
    this.log.step(context, \`Sorting \${file}\`);
    // Commands run in the folder of the app; what they print is the node's log.
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

// Failures are returned, not thrown. Codes are stable, with the kind as their area.

const noFile = (file) => ({
  code: '${kind}::no-file',
  blame: 'app',
  title: \`There is no file \${file}\`,
  detail: \`This node sorts the lines of \${file}, and the app has no such file.\`,
  remedy: 'Add the file, or name another with the config field \`file\`.',
});

const sortFailed = (file, { exitCode, lines }) => ({
  code: '${kind}::sort-failed',
  blame: 'app',
  title: \`sort could not sort \${file} (status \${exitCode})\`,
  detail: lines.slice(-20).join('\\n'),
  remedy: 'Mend the file as the message says.',
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

/** Services and context as far as this kind uses them. Commands really run. */
const subprocess = {
  run: async (_context, { argv: [program, ...args], env }) => {
    const ran = spawnSync(program, args, { cwd: appDir, env: { ...process.env, ...env }, encoding: 'utf8' });
    return { ok: true, value: { exitCode: ran.status ?? 255, lines: ran.stderr.split('\\n') } };
  },
};
const log = { step() {}, info() {}, notice() {}, progress() {} };
const view = { kindOf: (path) => (existsSync(join(appDir, path)) ? 'file' : undefined) };
const run = () => new plugin(subprocess, log).run({ config, inputs: {} }, { appDir });

test('declares its name, and a description for each field', () => {
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

test('tells what the command said when it fails', async () => {
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

| File | What it is |
| --- | --- |
| \`${kind}.mjs\` | the kind: its manifest, what it reads, what it does |
| \`${kind}.test.mjs\` | its tests |
| \`pipeline.yml\` | a pipeline that uses it |
| \`example/\` | an app for that pipeline |

\`\`\`sh
node --test ${kind}.test.mjs
pyflow check pipeline.yml
pyflow run pipeline.yml --app example   # the second time everything is up to date
\`\`\`

A pipeline elsewhere names the module by a path relative to itself: \`plugins: [../${kind}/${kind}.mjs]\`. The contract is in
docs/writing-plugins.md of pyflow.
`;
