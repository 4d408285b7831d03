// The first commands that a new user types, as real processes of the bundled program.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { bundledCli } from '../support/cli-scene.js';
import { hasNamespaces } from '../support/namespaces.js';
import { skipBecause } from '../support/skip.js';

const WORDS = `pyflow: 1
name: words
nodes:
  words: { uses: command, with: { argv: [sh, -c, "cat words.txt > upper.txt"], reads: [words.txt], writes: [upper.txt] } }
`;

describe('first minutes', function () {
  this.timeout(120_000);
  let root: string;
  let app: string;
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(app, path)), { recursive: true });
    writeFileSync(join(app, path), text);
  };
  const pyflow = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [bundledCli(), ...args], {
      cwd: app,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: root, PYFLOW_CACHE_DIR: join(root, 'cache'), ...env },
    });
    return { status, text: stdout + stderr };
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-first-'));
    app = join(root, 'app');
    mkdirSync(app);
    put('words.txt', 'hello\n');
    put('pipeline.yml', WORDS);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  describe('a pipeline that comes with pyflow', () => {
    // The bundle of the tests has no pipelines beside it: the package contains them.
    before(() => {
      const folder = join(dirname(bundledCli()), '..', 'pipelines');
      if (!existsSync(folder)) symlinkSync(join(process.cwd(), 'pipelines'), folder);
    });

    it('explains which versions of Python fit the app', () => {
      rmSync(join(app, 'pipeline.yml'));
      put('requirements.txt', 'https://example.com/fast-1.0-cp312-cp312-linux_x86_64.whl\n');
      const machine = ['--app', app, '-p', 'stack=host'];
      const { status, text } = pyflow(['explain', 'version', ...machine]);
      expect(status, text).to.equal(0);
      expect(text)
        .to.match(/^Python 3\.12: the newest version that fits, because the default, 3\.13, does not$/m)
        .and.to.match(
          /^ {2}3\.13 rejected: fast 1\.0 has no cp313 wheel for this platform, and no source archive; 3\.12 fits$/m,
        )
        .and.to.match(/^ {2}3\.12 chosen: it fits$/m);
      const [traced] = JSON.parse(pyflow(['explain', 'version', 'python', ...machine, '--format', 'json']).text) as [
        { readonly node: string; readonly trace: { readonly chosen: string } },
      ];
      expect(traced).to.have.property('node', 'version');
      expect(traced.trace).to.include({ chosen: '3.12', choice: 'replaced', wanted: '3.13' });
      expect(pyflow(['plan', ...machine]).text).to.include('    3.12 chosen: it fits');
      put('.python-version', '3.2\n');
      const old = pyflow(['explain', 'version', ...machine]);
      expect(old.status).to.equal(1);
      expect(old.text).to.include('Python 3.2: set in .python-version').and.to.include('[python-version::eol]');
      expect(pyflow(['explain', 'versions']).text).to.include('Did you mean version?');
      rmSync(join(app, '.python-version'));
      put('bin/pre_compile', '#!/bin/sh\n');
      chmodSync(join(app, 'bin/pre_compile'), 0o755);
      const hooked = pyflow(['explain', 'version', ...machine]).text;
      expect(hooked).to.match(/^ {2}3\.12 chosen: it fits$/m);
      expect(hooked).to.include('This is for the files as they are now. pre-compile may change them in a run.');
      const data = pyflow(['explain', 'version', ...machine, '--format', 'json']).text;
      expect(JSON.parse(data)).to.have.deep.nested.property('[0].dependsOn', ['pre-compile']);
      expect(JSON.parse(data)).to.have.nested.property('[0].certain', false);
      expect(pyflow(['plan', ...machine]).text).to.match(/^version +version-resolve +\? +depends on pre-compile$/m);
    });

    it('is the one for Python by default, and is found by its name', () => {
      for (const args of [['plan'], ['plan', 'python'], ['check', 'python'], ['graph', 'python']]) {
        const { status, text } = pyflow(args);
        // The app has no requirements: only reading the pipeline matters here.
        expect(text, args.join(' ')).to.match(/detect|no problems/);
        expect(status, args.join(' ')).to.be.oneOf([0, 1]);
      }
    });

    it('yields to a file of the same name', () => {
      put('python', WORDS);
      expect(pyflow(['check', 'python'])).to.deep.equal({ status: 0, text: 'python: no problems\n' });
    });

    it('is suggested if neither a file nor a pipeline has the name', () => {
      const { status, text } = pyflow(['run', 'pyton']);
      expect(status).to.equal(2);
      expect(text).to.contain('Did you mean python?');
    });
  });

  describe('process types', () => {
    beforeEach(() => {
      put('Procfile', 'web: echo "on $PORT"\r\nworker: sh -c \'exit 7\'\n# not: a process\n');
      expect(pyflow(['run', 'pipeline.yml']).status).to.equal(0);
    });

    it('run by their name, with a port', () => {
      expect(pyflow(['exec', 'web'])).to.deep.equal({ status: 0, text: 'on 5000\n' });
      expect(pyflow(['exec', 'web'], { PORT: '8123' }).text).to.equal('on 8123\n');
      expect(pyflow(['exec', 'web', '-e', 'PORT=9000']).text).to.equal('on 9000\n');
      expect(pyflow(['exec', 'worker']).status).to.equal(7);
    });

    it('are suggested, and distinguished from commands', () => {
      const unknown = pyflow(['exec', 'wep']);
      expect(unknown.status).to.equal(2);
      expect(unknown.text).to.contain('The Procfile has no process type "wep"').and.to.contain('web, worker');
      expect(unknown.text).to.contain('Did you mean web?');
      expect(pyflow(['exec', 'python']).text).to.contain('pyflow exec -- python');
      expect(pyflow(['exec', 'web', '--', 'true']).text).to.contain('Remove one of them');
    });
  });

  describe('folders that pyflow creates', () => {
    it('are ignored by git, even if they are from an earlier version', () => {
      execFileSync('git', ['init', '-q'], { cwd: app });
      execFileSync('git', ['add', '.'], { cwd: app });
      const untracked = (): string => execFileSync('git', ['status', '--short'], { cwd: app, encoding: 'utf8' });
      const listed = untracked();
      pyflow(['run', 'pipeline.yml']);
      expect(untracked()).to.equal(listed);
      rmSync(join(app, '.pyflow/.gitignore'));
      expect(pyflow(['run', 'pipeline.yml']).text).to.contain('up to date');
      expect(untracked()).to.equal(listed);
    });

    it('are not part of the app if they are caches, even in a subfolder, and the run says so', () => {
      pyflow(['run', 'pipeline.yml', '--cache-dir', 'deep/.cache-one', '--out', join(root, 'one')]);
      expect(readFileSync(join(app, 'deep/.cache-one/CACHEDIR.TAG'), 'utf8')).to.match(
        /^Signature: 8a477f597d28d172789f06886806bc55\n/,
      );
      put('other/CACHEDIR.TAG', 'Signature: 8a477f597d28d172789f06886806bc55');
      put('fake/CACHEDIR.TAG', 'Signature: none');
      const { status, text } = pyflow(['run', 'pipeline.yml', '--out', join(root, 'two')]);
      expect(status).to.equal(0);
      expect(text).to.contain('deep/.cache-one contains CACHEDIR.TAG').and.to.contain('other contains CACHEDIR.TAG');
      expect(existsSync(join(root, 'two/deep/.cache-one'))).to.equal(false);
      expect(existsSync(join(root, 'two/other'))).to.equal(false);
      expect(existsSync(join(root, 'two/fake/CACHEDIR.TAG'))).to.equal(true);
    });
  });

  it('finds places that are not writable before it runs anything', function () {
    mkdirSync(join(root, 'is-a-folder'));
    writeFileSync(join(root, 'is-a-file'), '');
    const cases: readonly (readonly [readonly string[], string])[] = [
      [['--report', join(root, 'is-a-folder')], '--report FILE'],
      [['--trace', join(root, 'missing/trace.json')], '--trace FILE'],
      [['--out', join(root, 'is-a-file')], '--out'],
      [['--out', join(root, 'is-a-file/slug')], '--out'],
    ];
    for (const [args, remedy] of cases) {
      const { status, text } = pyflow(['run', 'pipeline.yml', ...args]);
      expect(status, args.join(' ')).to.be.oneOf([2, 75]);
      expect(text, args.join(' ')).to.contain(remedy).and.not.to.contain('words');
    }
    if (process.getuid?.() === 0) return;
    chmodSync(app, 0o555);
    const { status, text } = pyflow(['run', 'pipeline.yml']);
    chmodSync(app, 0o755);
    expect(status).to.equal(75);
    expect(text).to.contain('--out').and.not.to.contain('executed');
  });

  it('suggests its own fields for fields of other systems', () => {
    const node = (field: string): string =>
      `pyflow: 1\nnodes:\n  a: { uses: command, with: { argv: ["true"] }, ${field}: x }\n`;
    for (const [field, ours] of Object.entries({
      needs: 'after',
      dependsOn: 'after',
      if: 'when',
      script: 'argv',
      'working-directory': 'cwd',
      'timeout-minutes': 'timeout',
      variables: 'env',
      retry: 'retries',
    })) {
      put('k.yml', node(field));
      expect(pyflow(['check', 'k.yml']).text, field).to.match(new RegExp(`fix: .*\\b${ours}\\b`));
    }
    put('k.yml', 'pyflow: 1\njobs: {}\nnodes: { a: { uses: command, with: { argv: ["true"] } } }\n');
    expect(pyflow(['check', 'k.yml']).text).to.contain('Use `nodes`.');
  });

  it('suggests node names wherever one is mistyped', () => {
    expect(pyflow(['run', 'pipeline.yml']).status).to.equal(0);
    for (const args of [
      ['run', 'pipeline.yml', '--only', 'wrods'],
      ['run', 'pipeline.yml', '--until', 'word'],
      ['run', 'pipeline.yml', '--refresh', 'wordss'],
      ['why', 'wordz'],
    ]) {
      expect(pyflow(args).text, args.join(' ')).to.contain('Did you mean "words"?');
    }
    expect(pyflow(['plugins', 'new']).text)
      .to.contain('needs a KIND')
      .and.not.to.contain('mean new');
  });

  it('prints no colors with --no-color before or after the command', () => {
    for (const args of [
      ['--no-color', 'run', 'pipeline.yml'],
      ['run', 'pipeline.yml', '--no-color'],
    ]) {
      expect(pyflow(args), args.join(' ')).to.include({ status: 0 });
    }
    expect(pyflow(['run', 'pipeline.yml', '--no-colour']).text).to.contain('Did you mean --no-color?');
  });

  it('says if there was no sandbox, and why', () => {
    expect(pyflow(['run', 'pipeline.yml', '--sandbox', 'none']).text).to.match(/^Sandbox: none$/m);
    put('words.txt', 'edited\n');
    const { text } = pyflow(['run', 'pipeline.yml'], { PATH: '/nonexistent' });
    expect(text).to.match(/^Sandbox: none, because bubblewrap/m);
  });

  it('mentions network: true if a node without network tried to reach a host', async function () {
    if (!(await hasNamespaces())) {
      return skipBecause(this, 'this machine has no namespaces');
    }
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { readonly port: number };
    try {
      const attempts = [
        'import socket; socket.create_connection(("example.org", 80))',
        `import urllib.request; urllib.request.urlopen("http://127.0.0.1:${port}/")`,
        'import socket; socket.create_connection(("192.0.2.1", 80))',
      ];
      for (const code of attempts) {
        const argv = JSON.stringify(['python3', '-c', code]);
        put('k.yml', `pyflow: 1\nnodes:\n  a: { uses: command, with: { argv: ${argv} } }\n`);
        expect(pyflow(['run', 'k.yml', '--sandbox', 'required']).text, code).to.contain('network: true');
      }
      put('k.yml', 'pyflow: 1\nnodes:\n  a: { uses: command, with: { argv: [sh, -c, "exit 3"] } }\n');
      expect(pyflow(['run', 'k.yml', '--sandbox', 'required']).text).not.to.contain('network: true');
    } finally {
      server.close();
    }
  });
});
