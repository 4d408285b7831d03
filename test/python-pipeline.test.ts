// The shipped Python pipeline up to the version, which needs no network: the order of checks, what hooks see, and the build
// data that a platform gets.

import { expect } from 'chai';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RunReport } from '../src/engine/events.js';
import type { RunRequest } from '../src/engine/request.js';
import { writeState } from '../src/engine/run/run-record.js';
import { Workspace } from './support/workspace.js';

type Files = Readonly<Record<string, string>>;
const PIPELINE = resolve(import.meta.dirname, '../pipelines/python.yml');
const PIP: Files = { 'requirements.txt': '' };
const lockOf = (requires: object): string => JSON.stringify({ _meta: { requires } });

describe('python pipeline up to the version', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace();
  });
  afterEach(() => work.cleanUp());

  const build = (files: Files, overrides: Partial<RunRequest> = {}): Promise<RunReport> =>
    work.write(files).run({ pipelineFile: PIPELINE, until: 'version', ...overrides });
  const printedBy = (id: string): readonly string[] =>
    work.events.flatMap((event) =>
      event.type === 'node-printed' && event.node === id && event.stream === 'stdout' ? [event.text] : [],
    );

  describe('build data', () => {
    it('[pyver.recorded] [pm.exactly-one] [pyver.patch-current] have the requested version and its origin', async () => {
      const { status, buildData } = await build({ ...PIP, '.python-version': '3.13\n' });
      expect(status).to.equal('succeeded');
      const { total_duration: _, ...facts } = buildData;
      expect(facts).to.deep.equal({
        package_manager: 'pip',
        pre_compile_hook: false,
        python_version_requested: '3.13',
        python_version_origin: '.python-version',
        python_version_pinned: false,
        python_version_outdated: false,
        python_version_files: [],
        cache_status: 'empty',
      });
    });

    it('[pyver.recorded] [pyver.warn-patch-update] say that a patch is pinned and not the newest', async () => {
      const { buildData } = await build({ ...PIP, '.python-version': '3.12.4\n' });
      expect(buildData).to.include({
        python_version_requested: '3.12.4',
        python_version_pinned: true,
        python_version_outdated: true,
      });
    });

    it('[pyver.similar-files-recorded] have files with names like .python-version, and the default', async () => {
      const { buildData } = await build({ ...PIP, 'Python_Version.md': '', 'my.python.version': '' });
      expect(buildData).to.deep.include({
        python_version_origin: 'default',
        python_version_files: ['Python_Version.md', 'my.python.version'],
      });
    });

    const failures: readonly (readonly [id: string, code: string, detail: RegExp | undefined, files: Files])[] = [
      ['checks.existing-python-dir', 'checks::existing-python-dir', undefined, { ...PIP, '.scalingo/python/x': '' }],
      ['checks.existing-venv', 'checks::existing-venv-dir', /^venv$/, { ...PIP, 'venv/pyvenv.cfg': '' }],
      ['pm.none-found', 'package-manager::none-found', undefined, { 'app.py': '' }],
      ['pm.setup-py-only', 'package-manager::setup-py-only', undefined, { 'setup.py': '' }],
      ['pm.pipenv-missing-lockfile', 'package-manager::pipenv-missing-lockfile', undefined, { Pipfile: '' }],
      [
        'pm.multiple-found',
        'package-manager::multiple-found',
        /^pipenv,pip,poetry,uv$/,
        { ...PIP, 'uv.lock': '', 'poetry.lock': '', 'Pipfile.lock': '{}' },
      ],
      ['pyver.runtime-txt-invalid', 'runtime-txt::invalid-version', undefined, { ...PIP, 'runtime.txt': 's3cret' }],
      [
        'pyver.file-misspelled',
        'python-version-file::misspelled',
        /^python-version$/,
        { ...PIP, 'python-version': '' },
      ],
      [
        'pyver.file-invalid-version',
        'python-version-file::invalid-version',
        /^3\.x$/,
        { ...PIP, '.python-version': '3.x' },
      ],
      [
        'pyver.file-encoding',
        'python-version-file::invalid-encoding',
        /byte order mark/,
        { ...PIP, '.python-version': '\uFEFF3.12' },
      ],
      [
        'pyver.file-multiple',
        'python-version-file::multiple-versions',
        /^3\.12,3\.13$/,
        { ...PIP, '.python-version': '3.12\n3.13' },
      ],
      ['pyver.file-no-version', 'python-version-file::no-version', undefined, { ...PIP, '.python-version': '#' }],
      ['pyver.pipfile-lock-invalid-json', 'pipfile-lock::invalid-json', /JSON/, { 'Pipfile.lock': '{' }],
      [
        'pyver.pipfile-lock-invalid-version',
        'pipfile-lock::invalid-version',
        /^>=3\.12$/,
        { 'Pipfile.lock': lockOf({ python_version: '>=3.12' }) },
      ],
      ['pyver.eol-requested', 'python-version::eol', /^3\.9$/, { ...PIP, '.python-version': '3.9' }],
      [
        'pyver.unknown-major-requested',
        'python-version::unknown-major',
        /^3\.99$/,
        { ...PIP, '.python-version': '3.99' },
      ],
      [
        'python.unknown-patch',
        'python-version::unknown-patch',
        /^3\.13\.99$/,
        { ...PIP, '.python-version': '3.13.99' },
      ],
      ['pyver.uv-needs-file', 'python-version-file::not-found', undefined, { 'uv.lock': '' }],
      [
        'pyver.uv-runtime-txt',
        'runtime-txt::not-supported',
        undefined,
        { 'uv.lock': '', 'runtime.txt': 'python-3.13' },
      ],
      ['hooks.pre-compile-failed', 'hooks::pre_compile', undefined, { ...PIP, 'bin/pre_compile': 'exit 3' }],
    ];
    for (const [id, code, detail, files] of failures) {
      it(`[${id}] have the reason ${code}${detail === undefined ? '' : ' and its subject'}`, async () => {
        const { exitCode, buildData } = await build(files, { params: { providers: '["python-build-standalone"]' } });
        expect(exitCode).to.equal(1);
        expect(buildData).to.include({ failure_reason: code });
        if (detail === undefined) expect(buildData).not.to.have.property('failure_detail');
        else expect(buildData['failure_detail']).to.match(detail);
        expect(buildData).not.to.have.property('total_duration');
      });
    }

    it('[pyver.eol-cached] [pyver.unknown-major-cached] have the version of the last build if it cannot be built', async () => {
      for (const [minor, code] of [
        ['3.8', 'python-version::eol'],
        ['3.77', 'python-version::unknown-major'],
      ] as const) {
        writeState(work.cacheDir, 'shop', { python: { minor } });
        const { buildData } = await build(PIP, { appId: 'shop' });
        expect(buildData).to.include({ failure_reason: code, failure_detail: minor });
      }
    });
  });

  describe('bin/pre_compile', () => {
    it('[checks.order-after-pre-compile] runs before the check of the runtime folder, which sees its files', async () => {
      const { failure } = await build({
        ...PIP,
        'bin/pre_compile': 'mkdir -p .scalingo/python; touch .scalingo/python/x',
      });
      expect(failure?.code).to.equal('checks::existing-python-dir');
      const { status } = await build({ ...PIP, '.scalingo/python/x': '', 'bin/pre_compile': 'rm -r .scalingo' });
      expect(status).to.equal('succeeded');
    });

    it('[checks.order-after-pre-compile] [hooks.pre-compile-run] can write the file of the package manager, and the version', async () => {
      const hook = 'echo "making files"; touch requirements.txt; echo 3.12 > .python-version';
      const { buildData } = await build({ 'app.py': '', 'bin/pre_compile': hook });
      expect(printedBy('pre-compile')).to.deep.equal(['making files']);
      expect(buildData).to.include({
        package_manager: 'pip',
        python_version_requested: '3.12',
        pre_compile_hook: true,
      });
    });

    it('[hooks.user-env] [userenv.denylist] [setup.cwd] [setup.exported-dirs] runs in the app, with its variables except the denied names', async () => {
      const envDir = join(work.root, 'env');
      mkdirSync(envDir);
      const denied = 'PATH CPATH CPPATH LD_PRELOAD LIBRARY_PATH LD_LIBRARY_PATH PYTHONHOME'.split(' ');
      for (const name of denied) writeFileSync(join(envDir, name), '/evil');
      for (const name of ['TOKEN', 'PYTHONPATH', 'PKG_CONFIG_PATH']) writeFileSync(join(envDir, name), `mine: ${name}`);
      await build({ ...PIP, 'bin/pre_compile': 'pwd; env; cat "$ENV_DIR/TOKEN"' }, { envDir });
      const [cwd = '', ...lines] = printedBy('pre-compile');
      expect(lines).to.include.members(['TOKEN=mine: TOKEN', 'mine: TOKEN', `BUILD_DIR=${cwd}`, `HOME=${cwd}`]);
      expect(lines).to.include.members(['PYTHONPATH=mine: PYTHONPATH', 'PKG_CONFIG_PATH=mine: PKG_CONFIG_PATH']);
      expect(lines.filter((line) => line.includes('/evil'))).to.deep.equal([]);
      expect(lines.filter((line) => /^(CACHE|ENV)_DIR=\//.test(line))).to.have.length(2);
    });
  });
});
