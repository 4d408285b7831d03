// Broken and hostile Python apps under the first nodes of the shipped pipeline: each ends with the right code or version.
// The tests of the kinds cover broken requirements and lockfiles; test/engine/hostile-app.test.ts covers odd files and folders.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import { hasNamespaces } from './support/namespaces.js';
import { processesWith, uniqueSleep } from './support/processes.js';
import { verdictOf } from './support/verdict.js';
import { Workspace } from './support/workspace.js';
import { skipBecause } from './support/skip.js';

const PIPELINE = resolve(import.meta.dirname, '../pipelines/python.yml');
const DEFAULT_MINOR = '3.13';
/** Enough to be a project. */
const SETUP = { 'setup.cfg': '' };
const VERSION = { '.python-version': '3.12\n' };

interface App {
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Path -> target. */
  readonly links?: Readonly<Record<string, string>>;
  readonly folders?: readonly string[];
  /** bin/pre_compile. */
  readonly hook?: string | Buffer;
}
type End =
  | { readonly code: string; readonly exit?: number; /** In the failure's text. */ readonly says?: RegExp }
  | { readonly minor: string };

const pip = (files: App['files'] = {}): App => ({ files: { 'requirements.txt': 'flask\n', ...files } });
const version = (content: string | Buffer): App => pip({ '.python-version': content });
const hooked = (hook: string | Buffer): App => ({ ...pip(VERSION), hook });
const utf16 = (text: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);

const CASES: Readonly<Record<string, readonly [App, End]>> = {
  // Whether it is a project.
  'nothing at all': [{}, { code: 'detect::not-a-python-app' }],
  'only what other languages have': [{ files: { 'package.json': '{}' } }, { code: 'detect::not-a-python-app' }],
  'the project in a subfolder': [
    { files: { 'web/requirements.txt': '' } },
    { code: 'detect::not-a-python-app', says: /web\// },
  ],
  'a left-over __pycache__': [{ folders: ['__pycache__'] }, { code: 'package-manager::none-found' }],
  'a misspelt file': [
    { files: { 'requirments.txt': 'flask' } },
    { code: 'package-manager::none-found', says: /[Rr]ename/ },
  ],
  'a folder called requirements.txt': [{ folders: ['requirements.txt'] }, { code: 'package-manager::none-found' }],
  'a setup.py alone': [{ files: { 'setup.py': '' } }, { code: 'package-manager::setup-py-only' }],
  'a Pipfile without lock': [pip({ Pipfile: '' }), { code: 'package-manager::pipenv-missing-lockfile' }],
  'four managers at once': [
    pip({ 'Pipfile.lock': '{}', 'poetry.lock': '', 'uv.lock': '' }),
    { code: 'package-manager::multiple-found', says: /Pipfile\.lock[^]*requirements\.txt[^]*poetry\.lock[^]*uv\.lock/ },
  ],
  'requirements through a link in the app': [
    { files: { 'etc/base.txt': '', ...VERSION }, links: { 'requirements.txt': 'etc/base.txt' } },
    { minor: '3.12' },
  ],
  'requirements through a link to nothing': [
    { files: SETUP, links: { 'requirements.txt': 'gone' } },
    { code: 'app::unusable-link' },
  ],
  'requirements through a link in a circle': [
    { files: SETUP, links: { 'requirements.txt': 'b', b: 'requirements.txt' } },
    { code: 'app::unusable-link' },
  ],
  'requirements through a link out of the app': [
    { files: SETUP, links: { 'requirements.txt': '../../../../etc/hostname' } },
    { code: 'app::unusable-link' },
  ],
  'requirements through an absolute link': [
    { files: SETUP, links: { 'requirements.txt': '/etc/hostname' } },
    { code: 'app::unusable-link' },
  ],

  // Files in the way.
  'a virtual environment': [pip({ '.venv/pyvenv.cfg': '' }), { code: 'checks::existing-venv-dir', says: /\.venv/ }],
  'a virtual environment with links to another machine': [
    { ...pip({ 'venv/pyvenv.cfg': '' }), links: { 'venv/bin/python': '/home/somebody/.pyenv/bin/python' } },
    { code: 'checks::existing-venv-dir' },
  ],
  'a venv folder that is none': [pip({ 'venv/notes.txt': '', ...VERSION }), { minor: '3.12' }],
  'a Python of its own': [pip({ '.scalingo/python/bin/python': '' }), { code: 'checks::existing-python-dir' }],
  'a file where Python goes': [pip({ '.scalingo/python': '' }), { code: 'checks::existing-python-dir' }],

  // Which version it asks for.
  'a version in UTF-16': [version(utf16('3.12\n')), { code: 'python-version-file::invalid-encoding', says: /UTF-16/ }],
  'a version behind a byte order mark': [version('\uFEFF3.12\n'), { code: 'python-version-file::invalid-encoding' }],
  'a version with a NUL byte': [version('3.12\0\n'), { code: 'python-version-file::invalid-version' }],
  'a version with an invisible character': [version('3.1\u200B2\n'), { code: 'python-version-file::invalid-version' }],
  'a version in old Mac lines': [version('3.12\r'), { minor: '3.12' }],
  'a version in Windows lines, with comments': [version('# ours\r\n3.12\r\n\r\n'), { minor: '3.12' }],
  'escape sequences for a version': [
    version('\u001b[2J\u001b]0;pwned\u0007\n'),
    { code: 'python-version-file::invalid-version', says: /^[^\p{Cc}]*(\n[^\p{Cc}]*)*$/u },
  ],
  'twenty megabytes for a version': [
    version('3'.repeat(20_000_000)),
    { code: 'python-version-file::invalid-version', says: /^[^]{1,2000}$/ },
  ],
  'random bytes for a version': [
    version(Buffer.from(Array.from({ length: 4000 }, (_, index) => (index * 197 + 131) % 256))),
    { code: 'python-version-file::invalid-version' },
  ],
  'two versions': [version('3.12\n3.13\n'), { code: 'python-version-file::multiple-versions' }],
  'no version': [version('# 3.12\n'), { code: 'python-version-file::no-version' }],
  'a folder called .python-version': [{ ...pip(), folders: ['.python-version'] }, { minor: DEFAULT_MINOR }],
  'a misspelt version file': [pip({ 'python_version.txt': '3.12' }), { code: 'python-version-file::misspelled' }],
  'a version of the last century': [version('1.5\n'), { code: 'python-version::eol' }],
  'a version of the next': [version('3.99\n'), { code: 'python-version::unknown-major' }],
  'a number too large to be one': [
    version('3.99999999999999999999\n'),
    { code: 'python-version-file::invalid-version' },
  ],
  'an empty runtime.txt': [pip({ 'runtime.txt': '' }), { code: 'runtime-txt::invalid-version' }],
  'a shell command in runtime.txt': [
    pip({ 'runtime.txt': 'python-$(touch pwned)\n' }),
    { code: 'runtime-txt::invalid-version', says: /^[^$]*$/ },
  ],
  'uv without a version': [{ files: { 'uv.lock': '' } }, { code: 'python-version-file::not-found' }],
  'uv with runtime.txt': [
    { files: { 'uv.lock': '', 'runtime.txt': 'python-3.12' } },
    { code: 'runtime-txt::not-supported' },
  ],
  'a Pipfile.lock with the marks of a merge': [
    { files: { 'Pipfile.lock': '<<<<<<< HEAD\n{}\n' } },
    { code: 'pipfile-lock::invalid-json' },
  ],
  'a Pipfile.lock that is no object': [{ files: { 'Pipfile.lock': '[1]' } }, { code: 'pipfile-lock::invalid-json' }],
  'a Pipfile.lock of a hundred thousand brackets': [
    { files: { 'Pipfile.lock': '['.repeat(100_000) } },
    { code: 'pipfile-lock::invalid-json' },
  ],
  'a Pipfile.lock with a wildcard': [
    { files: { 'Pipfile.lock': '{"_meta":{"requires":{"python_version":"*"}}}' } },
    { code: 'pipfile-lock::invalid-version' },
  ],

  // What a hook does.
  'a hook that fails': [hooked('exit 7'), { code: 'hooks::pre_compile', says: /status 7/ }],
  'a hook that kills itself': [hooked('kill -9 $$'), { code: 'hooks::pre_compile', says: /137/ }],
  'a hook without a first line': [hooked('echo fine'), { minor: '3.12' }],
  'a hook with an interpreter that there is not': [hooked('#!/no/such/shell\n'), { code: 'hooks::pre_compile' }],
  'a hook in Windows lines': [hooked('#!/bin/bash\r\necho fine\r\n'), { code: 'hooks::pre_compile' }],
  'a hook that is a folder': [{ ...pip(VERSION), folders: ['bin/pre_compile'] }, { minor: '3.12' }],
  'an empty hook': [hooked(''), { minor: '3.12' }],
  'a hook that meets a full disk': [
    hooked('echo much > /dev/full'),
    { code: 'hooks::pre_compile', says: /No space left/ },
  ],
  'a hook that leaves a file of five gigabytes': [hooked('truncate -s 5G big'), { code: 'app::file-too-large' }],
  'a hook that leaves a pipe': [hooked('mkfifo pipe'), { code: 'app::unsupported-file' }],
  'a hook that prints without end': [hooked('head -c 30000000 /dev/zero'), { minor: '3.12' }],
  'a hook that prints a million lines': [hooked('yes | head -n 300000'), { minor: '3.12' }],
  'a hook that prints secrets of the terminal': [
    hooked("printf '\\033]0;x\\007\\033[2J'; exit 1"),
    { code: 'hooks::pre_compile' },
  ],
  'a hook that deletes its caches and variables': [hooked('rm -rf "$CACHE_DIR" "$ENV_DIR"'), { minor: '3.12' }],
  'a hook that deletes the app': [
    hooked('rm -rf "$BUILD_DIR"/*; rm -f .python-version'),
    { code: 'package-manager::none-found' },
  ],
  'a hook that deletes the folder of the app': [hooked('rm -rf "$BUILD_DIR"; exit 0'), { code: 'app::file-vanished' }],
  'a hook that takes all permissions away': [hooked('chmod 000 requirements.txt .python-version'), { minor: '3.12' }],
  'a hook that changes the version': [hooked('echo 3.11 > .python-version'), { minor: '3.11' }],
  'a hook that makes the project': [
    { files: { 'setup.cfg': '' }, hook: 'echo flask > requirements.txt; echo 3.12 > .python-version' },
    { minor: '3.12' },
  ],
  'a hook that brings a Python': [
    hooked('mkdir -p .scalingo/python/bin; ln -s /usr/bin/python3 .scalingo/python/bin/python'),
    { code: 'checks::existing-python-dir' },
  ],
  'a hook that replaces requirements by a folder': [
    hooked('rm requirements.txt; mkdir requirements.txt'),
    { code: 'package-manager::none-found' },
  ],
};

describe('hostile Python apps', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => {
    execFileSync('chmod', ['-R', 'u+rwX', work.root]);
    work.cleanUp();
  });

  function make({ files = {}, links = {}, folders = [], hook }: App): void {
    work.write(files as Readonly<Record<string, string>>);
    for (const folder of folders) mkdirSync(join(work.appDir, folder), { recursive: true });
    for (const [path, target] of Object.entries(links)) {
      mkdirSync(dirname(join(work.appDir, path)), { recursive: true });
      symlinkSync(target, join(work.appDir, path));
    }
    if (hook === undefined) return;
    work.write({ 'bin/pre_compile': hook as string });
    chmodSync(join(work.appDir, 'bin/pre_compile'), 0o755);
  }
  const run = (pipelineFile = PIPELINE) => verdictOf(work, { pipelineFile, until: 'version', sandbox: 'none' });

  it('are more than forty', () => {
    expect(Object.keys(CASES).length).to.be.at.least(40);
  });

  for (const [what, [app, end]] of Object.entries(CASES)) {
    it(`${what}: ${'code' in end ? end.code : `builds for ${end.minor}`}`, async () => {
      make(app);
      const { exit, code, report } = await run();
      if ('minor' in end) {
        expect({ exit, code, minor: report?.nodes['version']?.outputs?.['minor'] }).to.deep.equal({
          exit: 0,
          code: undefined,
          minor: end.minor,
        });
        return;
      }
      expect({ exit, code }).to.deep.equal({ exit: end.exit ?? 1, code: end.code });
      const { title = '', detail = '', remedy = '' } = report?.failure ?? {};
      if (end.says) expect(`${title}\n${detail}\n${remedy}`).to.match(end.says);
      expect(remedy).not.to.equal('');
      expect(existsSync(work.outDir), 'no slug').to.equal(false);
    });
  }

  describe('in namespaces', () => {
    const ENDS: Readonly<Record<string, readonly [hook: string, exit: number, code: string | undefined]>> = {
      'a hook that deletes the folder of the app': ['rm -rf "$BUILD_DIR"; exit 0', 1, 'package-manager::none-found'],
      'a hook that deletes what is in its caches': ['rm -rf "$CACHE_DIR"/* "$ENV_DIR"', 0, undefined],
      'a hook that writes where it may not': ['echo x > /etc/passwd', 1, 'hooks::pre_compile'],
      'a hook that looks for the home of the builder': [`ls "${homedir()}" || exit 9`, 1, 'hooks::pre_compile'],
      'a hook in Windows lines': ['#!/bin/bash\r\necho fine\r\n', 1, 'hooks::pre_compile'],
      'a hook with a bomb of children': ['for i in $(seq 200); do sleep 60 & done; exit 0', 0, undefined],
    };
    for (const [what, [hook, exit, code]] of Object.entries(ENDS)) {
      it(`${what}: ${code ?? 'builds'}`, async function () {
        if (!(await hasNamespaces())) {
          return skipBecause(this, 'this machine has no namespaces');
        }
        make(hooked(hook));
        const verdict = await verdictOf(work, { pipelineFile: PIPELINE, until: 'version', sandbox: 'required' });
        expect({ exit: verdict.exit, code: verdict.code }).to.deep.equal({ exit, code });
      });
    }
  });

  for (const sandbox of ['required', 'none'] as const) {
    it(`ends a child that ignores signals and keeps the streams of the build, sandbox ${sandbox}`, async function () {
      if (sandbox === 'required' && !(await hasNamespaces())) {
        return skipBecause(this, 'this machine has no namespaces');
      }
      const nap = uniqueSleep();
      make(hooked(`(trap '' TERM HUP; setsid sleep ${nap}) & echo left`));
      const verdict = await verdictOf(work, { pipelineFile: PIPELINE, until: 'version', sandbox });
      expect(verdict.exit).to.equal(0);
      expect(processesWith(nap)).to.deep.equal([]);
    });
  }

  it('ends a hook that hangs, with its children, at the timeout of the node', async () => {
    const nap = uniqueSleep();
    make(hooked(`trap '' TERM; sleep ${nap} & wait; wait; sleep ${nap}`));
    const text = readFileSync(PIPELINE, 'utf8').replace(
      '  pre-compile:\n    uses: hook\n',
      '  pre-compile:\n    uses: hook\n    timeout: 1s\n',
    );
    work.pipeline(text);
    const { exit, code } = await run(work.pipelineFile);
    expect({ exit, code }).to.deep.equal({ exit: 75, code: 'node::timeout' });
    expect(processesWith(nap)).to.deep.equal([]);
  }).timeout(15_000);

  it('names requirements that it has no permission to read', async function () {
    if (process.getuid?.() === 0) {
      return skipBecause(this, 'root may read everything');
    }
    make(pip());
    chmodSync(join(work.appDir, 'requirements.txt'), 0o000);
    expect(await run()).to.deep.include({ exit: 1, code: 'app::unreadable-file' });
  });
});
