import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import { readAppPatches, writePatch } from '../../src/cli/app-patches.js';
import { lazyEngine, type Engine } from '../../src/cli/engine.js';
import type { RunReport } from '../../src/engine/events.js';
import { styleOf } from '../../src/engine/render/style.js';
import { summarize } from '../../src/engine/render/summary.js';
import { writeState } from '../../src/engine/run/run-record.js';
import { SURELY_PATCHED } from '../../src/manifests/app/patches/sure-codes.js';
import { PATCHED_CODES } from '../../src/manifests/app/patches/find.js';
import { pyflow, type Ran } from '../support/fake-world.js';
import { VERSION, Workspace } from '../support/workspace.js';

type Files = Readonly<Record<string, string | Buffer>>;
const PIPELINE = resolve(import.meta.dirname, '../../pipelines/python.yml');
const NOW = Date.now();
const utf16 = (text: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);
const project = (more = ''): string => `[project]\nname = "shop"\nversion = "1"\n${more}`;

/** Most tests need no plan: then only the files of the app decide. */
const planless: Partial<Engine> = {
  plan: () => Promise.resolve({ ok: false, failure: { type: 'diagnostics', diagnostics: [], text: '' } }),
};

interface Case {
  readonly code: string;
  readonly title?: string;
  readonly files: Files;
  /** What the app has afterwards; undefined if there must be no such file. */
  readonly after: Readonly<Record<string, string | undefined>>;
  /** The build still fails after the patch, because its command has not run. */
  readonly command?: string;
}

/** Each fails or gives a notice in a real run up to the version of Python. */
const CASES: readonly Case[] = [
  {
    code: 'python-version-file::misspelled',
    files: { 'requirements.txt': '', '.python_version': '3.13\n' },
    after: { '.python_version': undefined, '.python-version': '3.13\n' },
  },
  {
    code: 'python-version-file::misspelled',
    title: 'beside the right file',
    files: { 'requirements.txt': '', 'python-version.txt': '3.12\n', '.python-version': '3.13\n' },
    after: { 'python-version.txt': undefined, '.python-version': '3.13\n' },
  },
  {
    code: 'python-version-file::invalid-encoding',
    files: { 'requirements.txt': '', '.python-version': utf16('3.13\r\n') },
    after: { '.python-version': '3.13\r\n' },
  },
  {
    code: 'python-version-file::invalid-version',
    files: { 'requirements.txt': '', '.python-version': '# ours\n"python-3.12.x"\n' },
    after: { '.python-version': '# ours\n3.12\n' },
  },
  {
    code: 'python-version-file::multiple-versions',
    files: { 'requirements.txt': '', '.python-version': '# two\n3.13\n3.12\n' },
    after: { '.python-version': '# two\n3.13\n' },
  },
  {
    code: 'python-version-file::no-version',
    files: { 'requirements.txt': '', '.python-version': '# later' },
    after: { '.python-version': '# later\n3.13\n' },
  },
  {
    code: 'python-version-file::not-found',
    files: {
      'uv.lock': 'version = 1\nrequires-python = ">=3.9,<3.13"\n',
      'pyproject.toml': project('requires-python = ">=3.9,<3.13"\n'),
    },
    after: { '.python-version': '3.12\n' },
  },
  { code: 'python-version::none-given', files: { 'requirements.txt': '' }, after: { '.python-version': '3.13\n' } },
  {
    code: 'python-version::patch-update',
    files: { 'requirements.txt': '', '.python-version': '3.13.0\n' },
    after: { '.python-version': '3.13\n' },
  },
  {
    code: 'python-version::eol',
    files: { 'requirements.txt': '', '.python-version': '# old\n3.7\n' },
    after: { '.python-version': '# old\n3.13\n' },
  },
  {
    code: 'runtime-txt::deprecated',
    files: { 'requirements.txt': '', 'runtime.txt': 'python-3.12\n' },
    after: { 'runtime.txt': undefined, '.python-version': '3.12\n' },
  },
  {
    code: 'runtime-txt::invalid-version',
    files: { 'requirements.txt': '', 'runtime.txt': utf16('python-3.12\n') },
    after: { 'runtime.txt': undefined, '.python-version': '3.12\n' },
  },
  {
    code: 'runtime-txt::not-supported',
    files: { 'uv.lock': 'version = 1\n', 'pyproject.toml': project(), 'runtime.txt': 'python-3.12\n' },
    after: { 'runtime.txt': undefined, '.python-version': '3.12\n' },
  },
  {
    code: 'package-manager::none-found',
    files: { 'Requirements.txt': 'flask\n', '.python-version': '3.13\n' },
    after: { 'Requirements.txt': undefined, 'requirements.txt': 'flask\n' },
  },
  {
    code: 'package-manager::setup-py-only',
    files: { 'setup.py': '', '.python-version': '3.13\n' },
    after: { 'requirements.txt': '--editable .\n' },
  },
  {
    code: 'package-manager::pipenv-missing-lockfile',
    files: { Pipfile: '' },
    after: { 'Pipfile.lock': undefined },
    command: 'pipenv lock',
  },
  {
    code: 'pipfile-lock::invalid-json',
    files: { Pipfile: '', 'Pipfile.lock': utf16('{"_meta":{"requires":{"python_version":"3.13"}}}') },
    after: { 'Pipfile.lock': '{"_meta":{"requires":{"python_version":"3.13"}}}' },
  },
  {
    code: 'checks::existing-venv-dir',
    files: { 'requirements.txt': '', '.python-version': '3.13\n', 'venv/pyvenv.cfg': '', '.gitignore': '*.pyc' },
    after: { '.gitignore': '*.pyc\n/venv/\n' },
    command: 'git rm -r --cached venv',
  },
  {
    code: 'checks::existing-python-dir',
    files: { 'requirements.txt': '', '.python-version': '3.13\n', '.scalingo/python/bin/python': '' },
    after: { '.gitignore': '/.scalingo/python/\n' },
    command: 'git rm -r --cached .scalingo/python',
  },
  {
    code: 'hooks::crlf',
    files: {
      'requirements.txt': '',
      '.python-version': '3.13\n',
      'bin/pre_compile': '#!/usr/bin/env bash\necho hi\r\n',
    },
    after: { 'bin/pre_compile': '#!/usr/bin/env bash\necho hi\n' },
  },
];

describe('cli/fix', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());

  const write = (files: Files): void => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(work.appDir, path)), { recursive: true });
      writeFileSync(join(work.appDir, path), content);
      if (path.startsWith('bin/')) chmodSync(join(work.appDir, path), 0o755);
    }
  };
  const fix = (...argv: readonly string[]): Promise<Ran> =>
    pyflow(['fix', ...argv, '--app', work.appDir, '--cache-dir', work.cacheDir], { now: NOW, engine: planless });
  const textOf = (path: string): string | undefined =>
    existsSync(join(work.appDir, path)) ? readFileSync(join(work.appDir, path), 'utf8') : undefined;
  /** The code of the failure of a run, and its notices with their codes. */
  const saidBy = async (): Promise<string> => {
    const { failure }: RunReport = await work.run({ pipelineFile: PIPELINE, until: 'version' });
    const notices = work.events.flatMap((event) =>
      event.type === 'node-printed' && event.stream === 'notice' ? [event.text] : [],
    );
    return [failure?.code ?? 'no failure', ...notices].join('\n');
  };

  for (const { code, title, files, after, command } of CASES) {
    it(`fixes a run that says ${code}${title === undefined ? '' : `, ${title}`}`, async () => {
      write(files);
      expect(await saidBy()).to.contain(code);
      const shown = await fix(code);
      expect(shown.status, shown.stderr).to.equal(0);
      if (command !== undefined) expect(shown.stdout).to.contain(`Then run: ${command}`);
      for (const [path, content] of Object.entries(files)) {
        expect(readFileSync(join(work.appDir, path)), 'a look changes nothing').to.deep.equal(Buffer.from(content));
      }
      const written = await fix(code, '--write');
      expect(written.status, written.stderr).to.equal(0);
      for (const [path, content] of Object.entries(after)) expect(textOf(path), path).to.equal(content);
      if (command === undefined) {
        expect(await saidBy()).not.to.contain(code);
        expect((await fix(code)).status).to.equal(1);
      }
    });
  }

  it('has a case for every code that the first nodes of a build can give', () => {
    const others = PATCHED_CODES.filter((code) => !CASES.some((each) => each.code === code));
    expect(others).to.deep.equal([
      'detect::not-a-python-app',
      'hooks::post_compile',
      'hooks::pre_compile',
      'install-dependencies::pip',
      'install-dependencies::pipenv',
      'install-dependencies::poetry',
      'install-dependencies::uv',
      'nltk-downloader',
      'profile::crlf',
      'python-version::misfit',
      'python-version::misfit-refused',
      'python-version::replaced',
      'python-version::unknown-major',
      'python-version::unknown-patch',
    ]);
  });

  it('is named after a failure that it surely has a patch for', async () => {
    const tested = new Set(CASES.map(({ code }) => code));
    expect([...SURELY_PATCHED].filter((code) => !tested.has(code))).to.deep.equal([]);
    write({ 'setup.py': '' });
    const report = await work.run({ pipelineFile: PIPELINE, until: 'version' });
    expect(summarize(report, styleOf(false)).join('\n')).to.contain(
      '`pyflow fix package-manager::setup-py-only` shows a change that fixes this.',
    );
  });

  it('shows a diff that patch applies', async () => {
    const text = Array.from({ length: 20 }, (_, line) => `echo ${line}${line === 9 ? '\r' : ''}`).join('\n');
    write({
      'requirements.txt': '',
      '.python-version': '3.13\n',
      '.profile.d/a.sh': text,
      'bin/post_compile': 'a\r\nb',
    });
    const { stdout } = await fix('--json');
    const patches = JSON.parse(stdout) as readonly {
      code: string;
      edits: readonly { file: string; to: string; diff: string }[];
    }[];
    expect(patches.map(({ code }) => code)).to.deep.equal(['hooks::crlf', 'profile::crlf']);
    const diffs = patches.flatMap(({ edits }) => edits.map(({ diff }) => diff)).join('');
    execFileSync('patch', ['-p1', '--binary'], { cwd: work.appDir, input: diffs });
    for (const { edits } of patches) for (const { file, to } of edits) expect(textOf(file)).to.equal(to);
  });

  it('lists what applies, and says how to go on', async () => {
    write({ 'requirements.txt': '', 'runtime.txt': 'python-3.12\n', 'bin/post_compile': 'x\r\n' });
    expect((await fix()).stdout).to.equal(
      [
        'runtime-txt::deprecated: Move the version from runtime.txt to .python-version',
        'hooks::crlf: Save bin/post_compile with LF line ends',
        '',
        '`pyflow fix CODE` shows a patch, `pyflow fix CODE --write` writes it.',
        '',
      ].join('\n'),
    );
    expect((await fix('hooks::post_compile')).stdout).to.contain('-x^M\n+x\n');
    write({ 'requirements.txt': '', '.python-version': '3.13\n' });
    rmSync(join(work.appDir, 'bin'), { recursive: true });
    rmSync(join(work.appDir, 'runtime.txt'));
    expect((await fix()).stdout).to.equal('pyflow knows no patch for this app.\n');
  });

  it('has the same patches in check --app', async () => {
    write({ 'requirements.txt': '', 'runtime.txt': 'python-3.12\n' });
    const check = (...more: readonly string[]) =>
      pyflow(['check', '--app', work.appDir, ...more], { now: NOW, engine: planless });
    const [document] = JSON.parse((await check('--json')).stdout) as readonly { file: string; patches: unknown }[];
    expect(document!.file).to.equal(work.appDir);
    expect(document!.patches).to.deep.equal(JSON.parse((await fix('--json')).stdout));
    expect((await check()).stdout).to.contain('[pyflow fix runtime-txt::deprecated]');
  });

  it('says when there is no patch, or none applies', async () => {
    write({ 'requirements.txt': '', '.python-version': '3.13\n' });
    const unknown = await fix('hooks::crfl');
    expect(unknown.status).to.equal(2);
    expect(unknown.stderr).to.match(/no patch for hooks::crfl[^]*hooks::crlf/);
    expect((await fix('hooks::crlf')).status).to.equal(1);
    expect((await fix('--write')).status).to.equal(2);
  });

  for (const [manager, file, lock] of [
    ['pip', 'requirements.txt', 'requirements.txt'],
    ['pipenv', 'Pipfile', 'Pipfile.lock'],
    ['poetry', 'pyproject.toml', 'poetry.lock'],
    ['uv', 'uv.lock', 'uv.lock'],
  ] as const) {
    it(`saves ${file} as UTF-8 (install-dependencies::${manager})`, async () => {
      const text = '# Größe\nx = 1\n';
      write({ [lock]: '{}', '.python-version': '3.13\n', [file]: Buffer.from(text, 'latin1') });
      expect((await fix(`install-dependencies::${manager}`, '--write')).status).to.equal(0);
      expect(textOf(file)).to.equal(text);
      const leftovers = JSON.parse((await fix('--json')).stdout) as readonly { code: string }[];
      expect(leftovers.map(({ code }) => code)).not.to.include(`install-dependencies::${manager}`);
    });
  }

  it('leaves requirements alone that pip can read', async () => {
    write({ 'requirements.txt': utf16('flask\n'), '.python-version': '3.13\n' });
    expect(JSON.parse((await fix('--json')).stdout)).to.deep.equal([]);
  });

  it('takes the version of the last build, if the app has an id', async () => {
    write({ 'requirements.txt': '' });
    writeState(work.cacheDir, 'shop', { python: { minor: '3.11' } });
    expect((await fix('python-version::none-given', '--app-id', 'shop')).stdout).to.contain('\n+3.11\n');
    expect((await fix('python-version::none-given')).stdout).to.contain('\n+3.13\n');
  });

  it('takes the minor version alone if pyflow knows no such patch release', async () => {
    write({ 'requirements.txt': '', '.python-version': '3.13.999\n' });
    expect((await fix('python-version::unknown-patch', '--write')).status).to.equal(0);
    expect(textOf('.python-version')).to.equal('3.13\n');
  });

  describe('for an app whose packages have wheels for some Pythons', () => {
    const real = lazyEngine(VERSION, { PATH: process.env['PATH'] });
    const plan: Engine['plan'] = (request, ...more) => real.plan({ ...request, pipelineFile: PIPELINE }, ...more);
    const planned = async (...argv: readonly string[]): Promise<string> => {
      const where = ['--app', work.appDir, '--cache-dir', work.cacheDir];
      return (await pyflow(['fix', ...argv, ...where], { now: NOW, engine: { plan } })).stdout;
    };
    const lock = readFileSync(resolve(import.meta.dirname, '../fixtures/versions/32-pinned-misfit/uv.lock'), 'utf8')
      .replaceAll('x86_64.manylinux2014_x86_64', 'x86_64')
      .replaceAll(
        'manylinux_2_17_x86_64',
        process.arch === 'arm64' ? 'manylinux_2_17_aarch64' : 'manylinux_2_17_x86_64',
      );

    it('sets the newest version that fits', async () => {
      write({ 'pyproject.toml': project(), 'uv.lock': lock, '.python-version': '# ours\n3.14\n' });
      expect(await saidBy()).to.contain('python-version::misfit');
      expect(await planned()).to.contain('python-version::misfit: Set Python 3.13 in .python-version');
      await planned('python-version::misfit', '--write');
      expect(textOf('.python-version')).to.equal('# ours\n3.13\n');
      expect(await saidBy()).not.to.contain('python-version::misfit');
    });

    it('pins the version that the build chose in place of the default', async () => {
      const older = lock.replaceAll('cp313', 'cp310');
      write({ 'pyproject.toml': project(), 'uv.lock': older });
      expect(await planned('python-version-file::not-found')).to.contain('\n+3.12\n');
    });
  });

  it('looks in the folder of the project', async () => {
    write({ 'backend/requirements.txt': '', 'backend/runtime.txt': 'python-3.12\n' });
    expect((await fix('runtime-txt::deprecated', '--write', '-p', 'root=backend')).status).to.equal(0);
    expect(textOf('backend/.python-version')).to.equal('3.12\n');
    expect((await fix('-p', 'root=../other')).status).to.equal(2);
  });

  it('keeps the mode of a file', async () => {
    write({ 'bin/pre_compile': 'x\r\n' });
    chmodSync(join(work.appDir, 'bin/pre_compile'), 0o750);
    await fix('hooks::crlf', '--write');
    expect(statSync(join(work.appDir, 'bin/pre_compile')).mode & 0o777).to.equal(0o750);
    expect(readdirSync(join(work.appDir, 'bin'))).to.deep.equal(['pre_compile']);
  });

  it('never reads or writes through a link', async () => {
    const outside = join(work.root, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'post_compile'), 'x\r\n');
    writeFileSync(join(outside, 'runtime.txt'), 'python-3.12\n');
    symlinkSync(outside, join(work.appDir, 'bin'));
    symlinkSync(join(outside, 'runtime.txt'), join(work.appDir, 'runtime.txt'));
    symlinkSync('/nowhere', join(work.appDir, '.profile.d'));
    write({ 'requirements.txt': '' });
    const { stdout } = await fix('--json');
    expect((JSON.parse(stdout) as readonly { code: string }[]).map(({ code }) => code)).to.deep.equal([
      'python-version::none-given',
    ]);
    symlinkSync(join(outside, 'new'), join(work.appDir, '.python-version'));
    const { status } = await fix('python-version::none-given', '--write');
    expect(status).not.to.equal(0);
    expect(readdirSync(outside).sort()).to.deep.equal(['post_compile', 'runtime.txt']);
  });

  it('does not overwrite a file that changed meanwhile, and writes none of the others', () => {
    write({ 'requirements.txt': '', 'runtime.txt': 'python-3.12\n', '.python-version': '3.11\n' });
    const place = { appDir: work.appDir, cacheDir: work.cacheDir, settings: {} };
    const found = readAppPatches({ place, root: '.', now: NOW, trace: undefined });
    const { patches, seen } = found.ok ? found.value : expect.fail('not read');
    write({ '.python-version': '3.10\n' });
    expect(writePatch(work.appDir, patches[0]!, seen)?.code).to.equal('fix::file-changed');
    expect([textOf('runtime.txt'), textOf('.python-version')]).to.deep.equal(['python-3.12\n', '3.10\n']);
  });

  it('bears files that are no text, and an app that is not there', async () => {
    const binary = Buffer.from([0, 1, 2, 255, 0, 254]);
    const names = [
      'requirements.txt',
      '.python-version',
      'bin/pre_compile',
      '.profile.d/x.sh',
      'nltk.txt',
      '.gitignore',
    ];
    write(Object.fromEntries(names.map((name) => [name, binary])));
    expect((await fix()).status).to.equal(0);
    rmSync(work.appDir, { recursive: true });
    expect((await fix()).stderr).to.contain('app::unreadable');
  });
});
