import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect } from 'chai';

const ROOT = resolve(import.meta.dirname, '../..');
const STEPS = ['detect', 'compile', 'test-compile', 'release', 'report'];

/** Stands in for `dist/cli.js`, and prints how it was started. */
const TELLING = `console.log(JSON.stringify({ argv: process.argv.slice(2), node: process.execPath, env: process.env }));\n`;

describe('the scripts of the buildpack', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow scripts-'));
    cpSync(join(ROOT, 'buildpack/bin'), join(root, 'buildpack/bin'), { recursive: true });
    cpSync(join(ROOT, 'buildpack/lib'), join(root, 'buildpack/lib'), { recursive: true });
    write('package.json', '{"type":"module"}');
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function write(path: string, text: string): string {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    return file;
  }

  function run(step: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const script = join(root, 'buildpack/bin', step);
    const { status, stdout, stderr } = spawnSync(script, args, {
      encoding: 'utf8',
      env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, ...env },
    });
    return { status, stdout, stderr };
  }
  interface Told {
    readonly argv: readonly string[];
    readonly node: string;
    readonly env: Readonly<Record<string, string>>;
  }
  const told = (stdout: string): Told => JSON.parse(stdout) as Told;

  it('pass each step and its folders on to pyflow, whatever their names', () => {
    write('dist/cli.js', TELLING);
    for (const step of STEPS) {
      const { status, stdout } = run(step, ['/tmp/a b', '--odd', '*']);
      expect(status, step).to.equal(0);
      const home = `--home=${join(root, 'buildpack')}`;
      expect(told(stdout).argv).to.deep.equal(['buildpack', step, home, '--', '/tmp/a b', '--odd', '*']);
    }
  });

  it('do not start Node to find a lockfile in the root of the app or to print build data', () => {
    write('dist/cli.js', TELLING);
    const app = dirname(write('app/poetry.lock', ''));
    const cacheDir = dirname(dirname(write('cache/build-data/python.json', '{"a":1}\n')));
    const noNode = { PYFLOW_NODE: '/bin/false' };
    const quick = { status: 0, stderr: '' };
    expect(run('detect', [app], noNode)).to.deep.equal({ ...quick, stdout: 'Python\n' });
    expect(run('report', [app, cacheDir], noNode)).to.deep.equal({ ...quick, stdout: '{"a":1}\n' });
    for (const [step, folders, env] of [
      ['detect', [app], { PYFLOW_PARAMS: 'root=services/web' }],
      ['detect', [cacheDir], {}],
      ['report', [app, app], {}],
      ['release', [app, cacheDir], {}],
    ] as const) {
      expect(told(run(step, folders, env).stdout).argv, step).to.include(step);
    }
  });

  it('work through a link', () => {
    write('dist/cli.js', TELLING);
    symlinkSync(join(root, 'buildpack/bin/detect'), join(root, 'detect'));
    const { stdout } = spawnSync(join(root, 'detect'), ['x'], { encoding: 'utf8' });
    expect(told(stdout).argv).to.include(`--home=${join(root, 'buildpack')}`);
  });

  it('say what to do if pyflow was not built', () => {
    const { status, stdout, stderr } = run('compile', ['/tmp/build']);
    expect({ status, stdout }).to.deep.equal({ status: 75, stdout: '' });
    expect(stderr).to.match(/^\n !     pyflow is not built: .*dist\/cli\.js is missing\.\n !     .*npm run build/);
  });

  it('say what to do if Node is too old', () => {
    write('dist/cli.js', TELLING);
    const old = write('old.cjs', `Object.defineProperty(process.versions, 'node', { value: '18.20.4' });\n`);
    const node = write('old-node', `#!/bin/sh\nexec "${process.execPath}" -r "${old}" "$@"\n`);
    const { status, stdout, stderr } = run('compile', ['/tmp/build'], { PYFLOW_NODE: node });
    expect({ status, stdout }).to.deep.equal({ status: 75, stdout: '' });
    expect(stderr).to.match(/ !     pyflow needs Node\.js 20\.19 or newer, but .*\n !     Install a newer one/);
  });

  it('say what to do if there is no Node', () => {
    mkdirSync(join(root, 'empty'));
    for (const name of ['bash', 'dirname', 'readlink', 'env'])
      symlinkSync(`/usr/bin/${name}`, join(root, 'empty', name));
    const { status, stderr } = run('detect', ['/tmp/build'], { PATH: join(root, 'empty') });
    expect(status).to.equal(75);
    expect(stderr).to.match(/ !     pyflow needs Node\.js 20\.19 or newer, but this machine has none/);
  });

  it('prefer the Node beside them to that of the machine, and never use one of the app', () => {
    write('dist/cli.js', TELLING);
    const marked = (path: string): string => write(path, `#!/bin/sh\nMARK=${path} exec "${process.execPath}" "$@"\n`);
    marked('build/.heroku/node/bin/node');
    const PATH = `${join(root, 'build/.heroku/node/bin')}:${dirname(process.execPath)}:/usr/bin:/bin`;
    const first = told(run('compile', [join(root, 'build')], { PATH }).stdout);
    expect(first.env).not.to.have.property('MARK');
    marked('buildpack/node/bin/node');
    const second = told(run('compile', [join(root, 'build')], { PATH }).stdout);
    expect(second.env['MARK']).to.equal('buildpack/node/bin/node');
  });

  it("do not pass Node variables of the app on to pyflow's Node", () => {
    write('dist/cli.js', TELLING);
    const { status, stdout } = run('compile', ['x'], { NODE_OPTIONS: '--require /nowhere.cjs', NODE_PATH: '/x' });
    expect(status).to.equal(0);
    expect(told(stdout).env).not.to.have.any.keys('NODE_OPTIONS', 'NODE_PATH');
  });

  it('[setup.xtrace] print a trace on request', () => {
    write('dist/cli.js', TELLING);
    expect(run('detect', ['x'], { BUILDPACK_XTRACE: '1' }).stderr).to.contain('+ exec');
    expect(run('detect', ['x'], { BUILDPACK_DEBUG: 'yes' }).stderr).to.contain('+ exec');
    expect(run('detect', ['x']).stderr).to.equal('');
  });
});
