import { expect } from 'chai';
import { Workspace } from '../../support/workspace.js';

const PIPELINE = `pyflow: 1
name: hooks
nodes:
  before: { uses: hook, with: { script: bin/pre_compile } }
  after: { uses: hook, with: { script: bin/post_compile }, after: [before] }
`;

describe('build data', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace().pipeline(PIPELINE);
  });
  afterEach(() => workspace.cleanUp());

  it('[hooks.recorded] [hooks.absent] says which hooks ran, and for how long', async () => {
    workspace.write({ 'bin/pre_compile': 'sleep 0.05' });
    const { buildData } = await workspace.run();
    expect(buildData).to.include({ pre_compile_hook: true, post_compile_hook: false });
    expect(buildData['pre_compile_hook_duration']).to.be.greaterThan(0.04).and.lessThan(60);
    expect(buildData).not.to.have.property('post_compile_hook_duration');
  });

  it('[hooks.recorded] reports a failed hook, without its duration', async () => {
    workspace.write({ 'bin/post_compile': 'exit 3' });
    const { buildData } = await workspace.run();
    expect(buildData).to.include({ pre_compile_hook: false, post_compile_hook: true });
    expect(buildData).not.to.have.property('post_compile_hook_duration');
  });

  it('[finish.total-duration] gives the seconds of a successful build', async () => {
    const report = await workspace.run();
    expect(report.buildData['total_duration']).to.be.a('number').and.at.least(0).and.lessThan(60);
    workspace.write({ 'bin/pre_compile': 'exit 3' });
    const failed = await workspace.run();
    expect(failed.buildData).not.to.have.any.keys('total_duration', 'pre_compile_hook_duration');
    expect(failed.buildData).to.include({ failure_reason: 'hooks::pre_compile' });
  });

  const PYTHON = `pyflow: 1
nodes:
  manager: { uses: package-manager }
  version: { uses: version-resolve, with: { stack: heroku-24, providers: [python-build-standalone] }, inputs: { manager: manager.name } }
  install: { uses: hook, with: { script: bin/post_compile }, after: [version] }
`;
  for (const [what, files, known] of [
    [
      'a version in runtime.txt that has reached its end of life',
      { 'runtime.txt': 'python-2.7.18', 'requirements.txt': '' },
      { origin: 'runtime.txt', requested: '2.7.18', manager: 'pip', pinned: true },
    ],
    [
      'a version in Pipfile.lock that has reached its end of life',
      { Pipfile: '', 'Pipfile.lock': '{"_meta": {"requires": {"python_version": "3.8"}}}' },
      { origin: 'Pipfile.lock', requested: '3.8', manager: 'pipenv', pinned: false },
    ],
    [
      'runtime.txt in a uv app',
      { 'runtime.txt': 'python-3.13.2', 'uv.lock': '' },
      { origin: 'runtime.txt', requested: '3.13.2', manager: 'uv', pinned: true },
    ],
    [
      'a patch that does not exist',
      { '.python-version': '3.13.999', 'requirements.txt': '' },
      { origin: '.python-version', requested: '3.13.999', manager: 'pip', pinned: true },
    ],
    [
      'an unreadable version file',
      { '.python-version': 'three', 'requirements.txt': '' },
      { origin: '.python-version', requested: undefined, manager: 'pip', pinned: undefined },
    ],
    [
      'a virtual environment in the app',
      { 'venv/pyvenv.cfg': '', 'poetry.lock': '' },
      { origin: undefined, requested: undefined, manager: 'poetry', pinned: undefined },
    ],
    [
      'a runtime in the app',
      { '.scalingo/python/x': '', 'uv.lock': '' },
      { origin: undefined, requested: undefined, manager: 'uv', pinned: undefined },
    ],
    [
      'a hook that fails',
      { 'bin/post_compile': 'exit 3', '.python-version': '3.13', 'requirements.txt': '' },
      { origin: '.python-version', requested: '3.13', manager: 'pip', pinned: false },
    ],
  ] as const) {
    it(`reports what was known before the build failed: ${what}`, async () => {
      workspace.pipeline(PYTHON).write(files);
      const { status, buildData } = await workspace.run();
      expect(status).to.equal('failed');
      expect({
        origin: buildData['python_version_origin'],
        requested: buildData['python_version_requested'],
        manager: buildData['package_manager'],
        pinned: buildData['python_version_pinned'],
      }).to.deep.equal(known);
    });
  }
});
