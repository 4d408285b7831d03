import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';
import type { Comparison } from '../../src/cli/shadow/compare.js';
import type { RunRequest } from '../../src/engine/request.js';
import { SUCCESS } from '../support/buildpack-trial.js';
import { pyflow } from '../support/fake-world.js';

const BUILDPACK = resolve(import.meta.dirname, '../fixtures/buildpack');
/** What the small buildpack of the fixtures builds, with pyflow's environment. */
const BUILT: Readonly<Record<string, string>> = {
  '.scalingo/python/lib/python3.13/site-packages/flask-3.1.3.dist-info/METADATA': 'Name: flask\n',
  '.scalingo/python/bin/flask': '#!/app/.scalingo/python/bin/python\n',
  '.scalingo/python/bin/python': 'ELF',
  '.profile.d/python.sh':
    'export PYTHONHOME="$HOME/.scalingo/python"\nexport PATH="$PYTHONHOME/bin:$PATH"\nexport LD_LIBRARY_PATH="$PYTHONHOME/lib"\n',
};

describe('cli/shadow', () => {
  let root: string;
  let app: string;
  let built: Record<string, string>;
  let requests: RunRequest[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-shadow-test-'));
    app = join(root, 'app');
    built = { ...BUILT };
    requests = [];
    write(app, { 'requirements.txt': 'flask==3.1.3\n', 'app.py': 'print()\n', '.git/config': 'not for builds' });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function write(folder: string, files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  }

  const shadow = (...args: readonly string[]) =>
    pyflow(['shadow', '--buildpack', BUILDPACK, '--app', app, ...args], {
      cwd: root,
      env: { PATH: '/usr/bin:/bin', HOME: root, STACK: 'scalingo-24' },
      engine: {
        run: async (request) => {
          requests.push(request);
          write(request.appDir, built);
          return { ok: true, value: SUCCESS };
        },
      },
    });
  const compared = async (...args: readonly string[]): Promise<Comparison> =>
    JSON.parse((await shadow('--json', ...args)).stdout) as Comparison;

  it('treats two builds of the same packages as the same, even if scripts contain the build folder', async () => {
    const comparison = await compared();
    expect(comparison).to.include({ schema: 'pyflow.shadow/1', isSame: true, packagesInCommon: 1 });
    expect(comparison.detect).to.deep.equal({ buildpack: 0, pyflow: 0 });
    expect(comparison.files.app).to.deep.equal({ same: 2, different: [], onlyBuildpack: [], onlyPyflow: [] });
    expect(comparison.files.runtime).to.deep.include({ same: 1, onlyPyflow: ['.scalingo/python/bin/python'] });
    expect(comparison.files.packages.same).to.equal(1);
    expect(comparison.files.profile.different).to.deep.equal(['.profile.d/python.sh']);
  });

  it('shows the differences in the environment at boot', async () => {
    const { environment } = await compared();
    expect(environment).to.deep.equal({
      LD_LIBRARY_PATH: { buildpack: '/app/.scalingo/python/lib:', pyflow: '/app/.scalingo/python/lib' },
      MULTIPLE: { buildpack: 'two\nlines' },
    });
  });

  it('builds with each buildpack twice in new copies, the second time with the cache of the first', async () => {
    const { compiles } = await compared('--keep', 'kept');
    expect(compiles.map(({ buildpack, pyflow: own }) => [buildpack?.status, own?.status])).to.deep.equal([
      [0, 0],
      [0, 0],
    ]);
    expect(requests.map(({ appDir }) => appDir)).to.deep.equal(
      [1, 2].map((number) => join(root, `kept/pyflow/build-${number}`)),
    );
    expect(new Set(requests.map(({ cacheDir }) => cacheDir)).size).to.equal(1);
    expect(requests[0]?.pipelineFile).to.equal('/opt/pyflow/pipelines/python.yml');
    expect(existsSync(join(root, 'kept/buildpack/build-2/.git'))).to.equal(false);
    expect(
      readFileSync(join(root, 'kept/buildpack/copy-2/buildpack/export'), 'utf8').trim().split('\n'),
    ).to.have.length(1);
  });

  it('changes neither the app nor the buildpack, and leaves no files', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('pyflow-shadow-') && !root.endsWith(name));
    await compared('--builds', '1');
    expect(readdirSync(app).sort()).to.deep.equal(['.git', 'app.py', 'requirements.txt']);
    expect(readdirSync(BUILDPACK)).to.deep.equal(['bin']);
    const after = readdirSync(tmpdir()).filter((name) => name.startsWith('pyflow-shadow-') && !root.endsWith(name));
    expect(after).to.deep.equal(before);
  });

  it('exits with 1 if a package differs, and names it', async () => {
    const metadata = '.scalingo/python/lib/python3.13/site-packages/flask-3.1.3.dist-info/METADATA';
    delete built[metadata];
    built[metadata.replace('3.1.3', '3.1.2')] = '';
    const { status, stdout } = await shadow('--builds', '1');
    expect(status).to.equal(1);
    expect(stdout).to.contain('  flask: 3.1.3 (buildpack), 3.1.2 (pyflow)');
    expect(stdout).to.match(/\nStatuses, packages or the files of the app differ\.\n$/);
  });

  it('exits with 1 if a file of the app differs', async () => {
    built['app.py'] = 'print(1)\n';
    const { status, stdout } = await shadow('--builds', '1');
    expect(status).to.equal(1);
    expect(stdout).to.contain('  app, different:\n    app.py\n');
  });

  it('says which build failed and how, and does not repeat it', async () => {
    write(app, { broken: '' });
    const { status, stdout } = await shadow();
    expect(status).to.equal(1);
    expect(stdout).to.match(/^compile +3 in .* 0 in /m);
    expect(stdout).to.match(/^compile, build 2 +- +0 in /m);
    expect(stdout).to.contain(
      'The build with the buildpack failed. Its last lines:\n  -----> Using the stack scalingo-24\n',
    );
    expect(stdout).to.contain('   !     Broken on purpose');
  });

  it('lists the steps of both logs', async () => {
    const { stdout } = await shadow('--builds', '1');
    expect(stdout).to.contain('  buildpack  Installing requirements with pip\n');
  });

  for (const [what, args, message] of [
    ['no buildpack', ['--app', '.'], 'needs --buildpack'],
    ['a folder that is none', ['--buildpack', '.'], 'has no bin/compile'],
    ['an app that is not there', ['--buildpack', BUILDPACK, '--app', 'nowhere'], 'does not exist'],
    ['builds that are no number', ['--buildpack', BUILDPACK, '--builds', '0'], '--builds does not accept'],
    ['a folder to keep that is there', ['--buildpack', BUILDPACK, '--keep', 'app'], 'already exists'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { status, stderr } = await pyflow(['shadow', ...args], { cwd: root, env: { STACK: 'scalingo-24' } });
      expect(status).to.equal(2);
      expect(stderr).to.contain(message);
    });
  }

  it('refuses to run without a stack', async () => {
    const { status, stderr } = await pyflow(['shadow', '--buildpack', BUILDPACK], { cwd: root });
    expect(status).to.equal(2);
    expect(stderr).to.contain('--stack');
  });
});
