import { statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Hook } from '../../src/plugins/hook/plugin.js';
import { PluginScene, type SceneOptions } from '../support/plugin-scene.js';

describe('plugins/hook', () => {
  let scene: PluginScene;
  const open = (options: SceneOptions = {}): Hook => {
    scene = new PluginScene(options);
    return new Hook(scene);
  };
  const play = (hook: Hook, script = 'bin/pre_compile', root = '.') =>
    scene.play(hook, { root, script, vendorDir: '.scalingo' }, {});
  const ranWell = async (hook: Hook) => {
    const { result } = await play(hook);
    if (!result.ok) throw new Error(result.failure.detail);
    return result.value;
  };
  afterEach(() => scene.close());

  it('[hooks.absent] is a pure no-op, keyed on presence, if the app has no such script', async () => {
    const { reads, result } = await play(open());
    expect(reads).to.deep.include({ exists: ['bin/pre_compile'], pure: true });
    expect(reads).to.not.have.any.keys('files', 'env', 'sideEffects');
    expect(result).to.deep.equal({ ok: true, value: { outputs: { ran: false } } });
    expect([scene.started, scene.printed]).to.deep.equal([[], []]);
  });

  it('ignores a folder of that name', async () => {
    const { result } = await play(open({ files: { 'bin/pre_compile/readme': '' } }));
    expect(result).to.deep.equal({ ok: true, value: { outputs: { ran: false } } });
  });

  it('follows a link to the script', async () => {
    const hook = open({ files: { 'scripts/build': 'touch made' }, executables: ['scripts/build'] });
    scene.write('bin/other', '');
    symlinkSync('../scripts/build', join(scene.appDir, 'bin/pre_compile'));
    expect(await ranWell(hook)).to.deep.include({ outputs: { ran: true } });
    expect(scene.has('made')).to.equal(true);
  });

  it('[hooks.user-env] [userenv.denylist] sees the whole app and all variables except the denied ones, and declares side effects', async () => {
    const appEnv = { TOKEN: 't', PATH: '/evil', PYTHONHOME: '/evil', LD_PRELOAD: 'x', LANG: 'fr_FR.UTF-8' };
    const { reads } = await play(open({ files: { 'bin/pre_compile': 'true' }, appEnv }));
    expect(reads).to.deep.include({ files: ['**'], sideEffects: true, env: ['LANG', 'TOKEN'] });
  });

  it('[hooks.pre-compile-run] runs the script by its first line, with bash if there is none, and makes it executable', async () => {
    const hook = open({ files: { 'bin/pre_compile': 'echo ${BASH_VERSION:+bash} > shell' } });
    await ranWell(hook);
    scene.write('bin/pre_compile', '#!/bin/sh\necho "$0" > shell2');
    await ranWell(hook);
    expect(scene.read('shell')).to.equal('bash\n');
    expect(scene.read('shell2')).to.equal(`${scene.appDir}/bin/pre_compile\n`);
    expect(statSync(join(scene.appDir, 'bin/pre_compile')).mode & 0o111).to.equal(0o111);
    expect(scene.printed.map(({ text }) => text)).to.deep.equal(['Running bin/pre_compile', 'Running bin/pre_compile']);
  });

  it('[setup.exported-dirs] [setup.cwd] [setup.build-env-path] [setup.build-env-unbuffered] [userenv.load] sets the environment of the build, which the app may override', async () => {
    const hook = open({
      files: { 'bin/pre_compile': 'env > seen; cat "$ENV_DIR/TOKEN" > token; ls "$ENV_DIR" > names; pwd > cwd' },
      appEnv: { TOKEN: 'a b\n', PATH: '/evil', LANG: 'fr_FR.UTF-8' },
    });
    await ranWell(hook);
    const env = Object.fromEntries(
      scene
        .read('seen')
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const python = `${scene.appDir}/.scalingo/python`;
    expect(env).to.include({
      PATH: `${python}/bin:/usr/local/bin:/usr/bin:/bin`,
      LD_LIBRARY_PATH: `${python}/lib`,
      LIBRARY_PATH: `${python}/lib`,
      C_INCLUDE_PATH: `${python}/include`,
      CPLUS_INCLUDE_PATH: `${python}/include`,
      PYTHONUNBUFFERED: '1',
      COLUMNS: '200',
      LANG: 'fr_FR.UTF-8',
      HOME: scene.appDir,
      BUILD_DIR: scene.appDir,
      CACHE_DIR: join(scene.root, 'cache'),
    });
    expect(scene.read('token')).to.equal('a b\n');
    expect(scene.read('names')).to.equal('LANG\nTOKEN\n');
    expect(scene.read('cwd')).to.equal(`${scene.appDir}\n`);
    expect(scene.started[0]?.network).to.equal(true);
  });

  it('[pip.env-version-check] [pipenv.env] sets the variables of the package manager, which the app overrides', async () => {
    const env = async (manager: string, appEnv: Readonly<Record<string, string>> = {}) => {
      const hook = open({ files: { 'bin/post_compile': 'true' }, appEnv });
      const config = { root: '.', script: 'bin/post_compile', vendorDir: '.scalingo' };
      await scene.play(hook, config, { manager });
      const seen = scene.started[0]?.env ?? {};
      const { appDir } = scene;
      scene.close();
      const shown = Object.entries(seen).filter(([name]) => /^(PIP|UV|POETRY|VIRTUAL|PATH)/.test(name));
      return Object.fromEntries(shown.map(([name, value]) => [name, value.replaceAll(appDir, 'APP')]));
    };
    const PATH = 'APP/.scalingo/python/bin:/usr/local/bin:/usr/bin:/bin';
    expect(await env('pip')).to.deep.equal({ PATH, PIP_DISABLE_PIP_VERSION_CHECK: '1' });
    expect(await env('pip', { PIP_DISABLE_PIP_VERSION_CHECK: '0' })).to.include({ PIP_DISABLE_PIP_VERSION_CHECK: '0' });
    expect(await env('pipenv')).to.deep.equal({
      PATH: `APP/.scalingo/python/pipenv/bin:${PATH}`,
      PIPENV_SYSTEM: '1',
      PIPENV_VERBOSITY: '-1',
      VIRTUAL_ENV: 'APP/.scalingo/python',
    });
    // Without the tool tree there is no program.
    expect(await env('poetry')).to.include({ PATH, POETRY_VIRTUALENVS_CREATE: 'false' });
    expect(await env('uv')).to.include({ PATH, UV_PROJECT_ENVIRONMENT: 'APP/.scalingo/python', UV_LINK_MODE: 'copy' });
  });

  it('runs the script of the root there, for the same slug', async () => {
    const hook = open({
      files: {
        'services/web/bin/pre_compile':
          'pwd > cwd; echo "$BUILD_DIR $HOME" > dirs; echo "$PATH" > path; exit $(cat status)',
        'services/web/status': '0',
        'bin/pre_compile': 'exit 1',
      },
    });
    const { reads, result } = await play(hook, 'bin/pre_compile', 'services/web');
    expect(result).to.deep.include({ ok: true });
    expect(reads).to.deep.include({ files: ['**'], sideEffects: true });
    expect(scene.read('services/web/cwd')).to.equal(`${scene.appDir}/services/web\n`);
    expect(scene.read('services/web/dirs')).to.equal(`${scene.appDir} ${scene.appDir}\n`);
    expect(scene.read('services/web/path')).to.match(new RegExp(`^${scene.appDir}/\\.scalingo/python/bin:`));
    expect(scene.printed.map(({ text }) => text)).to.deep.equal(['Running services/web/bin/pre_compile']);
    scene.write('services/web/status', '3');
    const failed = await play(hook, 'bin/pre_compile', 'services/web');
    expect(failed.result).to.have.nested.property('failure.code', 'hooks::pre_compile');
    expect(failed.result)
      .to.have.nested.property('failure.title')
      .that.includes('services/web/bin/pre_compile exited with status 3');
  });

  it('is a no-op if only the app above the root has the script', async () => {
    const { reads, result } = await play(open({ files: { 'bin/pre_compile': 'exit 1' } }), 'bin/pre_compile', 'web');
    expect(reads).to.deep.include({ exists: ['web/bin/pre_compile'], pure: true });
    expect(result).to.deep.equal({ ok: true, value: { outputs: { ran: false } } });
  });

  it('[hooks.pre-compile-failed] [hooks.post-compile-failed] has the codes of the two known hooks and one for all others', async () => {
    const codes: string[] = [];
    for (const script of ['bin/pre_compile', 'bin/post_compile', 'bin/go-pre-compile']) {
      const hook = open({ files: { [script]: 'echo oh no; exit 4' } });
      const { result } = await play(hook, script);
      scene.close();
      if (result.ok) throw new Error('expected a failure');
      expect(result.failure.blame).to.equal('app');
      expect(result.failure.detail).to.include('oh no');
      codes.push(result.failure.code);
    }
    expect(codes).to.deep.equal(['hooks::pre_compile', 'hooks::post_compile', 'hooks::failed']);
  });

  it('removes only bytecode that would hide a change to a package', async () => {
    const unchecked = '\x00\x00\x00\x00\x01\x00\x00\x00rest';
    const checked = '\x00\x00\x00\x00\x03\x00\x00\x00rest';
    const packages = '.scalingo/python/lib/python3.13/site-packages';
    const bytecode = (name: string) => `${packages}/__pycache__/${name}.pyc`;
    const hook = open({
      files: {
        'bin/pre_compile': `cd ${packages}; echo x >> changed.py; echo x >> checked.py; echo x >> remade.py; echo x >> __pycache__/remade.cpython-313.pyc`,
        [`${packages}/changed.py`]: '1',
        [`${packages}/untouched.py`]: '1',
        [`${packages}/checked.py`]: '1',
        [`${packages}/remade.py`]: '1',
        [bytecode('changed.cpython-313')]: unchecked,
        [bytecode('changed.cpython-313.opt-1')]: unchecked,
        [bytecode('untouched.cpython-313')]: unchecked,
        [bytecode('checked.cpython-313')]: checked,
        [bytecode('remade.cpython-313')]: unchecked,
      },
    });
    await ranWell(hook);
    expect(scene.view.list(`${packages}/__pycache__`)).to.deep.equal([
      'checked.cpython-313.pyc',
      'remade.cpython-313.pyc',
      'untouched.cpython-313.pyc',
    ]);
  });

  it('does not store its result if a file it wrote contains the private path', async () => {
    const hook = open({ files: { 'bin/pre_compile': 'echo "root = $PWD" > settings.ini', 'static.txt': 'x' } });
    expect((await ranWell(hook)).uncacheable).to.include('settings.ini');
    scene.write('bin/pre_compile', 'echo fine > settings.ini');
    expect(await ranWell(hook)).to.not.have.property('uncacheable');
  });

  it('begins with the exception of a script in Python', async () => {
    const script = ['import os', 'print("a" * 10)', 'os.environ["NO_SUCH_NAME"]'].join('\n');
    const { result } = await play(open({ files: { 'bin/pre_compile': `#!/usr/bin/env python3\n${script}\n` } }));
    expect(result)
      .to.have.nested.property('failure.detail')
      .that.matches(/^KeyError: 'NO_SUCH_NAME'\npyflow runs bin\/pre_compile/);
  });

  describe('a script with Windows line endings', () => {
    const crlf = (...lines: string[]): string => lines.map((line) => `${line}\r\n`).join('');
    const failureOf = async (text: string, script = 'bin/post_compile') => {
      const { result } = await play(open({ files: { [script]: text }, executables: [script] }), script);
      if (result.ok) throw new Error('it ended with 0');
      return result.failure;
    };
    /** Each makes bash or env fail in a different way. */
    const forms: Readonly<Record<string, string>> = {
      'through env bash': crlf('#!/usr/bin/env bash', 'set -e', 'true'),
      'through env python3': crlf('#!/usr/bin/env python3', 'print(1)'),
      'through env with an option': crlf('#!/usr/bin/env -S bash -e', 'true'),
      'without a first line of this kind': crlf('set -e', 'mkdir -p out', 'echo b > out/b.txt'),
      'with LF in the first line only': `#!/bin/sh\n${crlf('if true; then', '  echo', 'fi')}`,
    };
    for (const [form, text] of Object.entries(forms)) {
      it(`fails with a remedy for its line endings: ${form}`, async () => {
        const failure = await failureOf(text);
        expect(failure.code).to.equal('hooks::post_compile');
        expect(failure.detail).to.match(/bin\/post_compile ha(s|ve) Windows line endings \(CRLF\)/);
        expect(failure.remedy).to.match(/LF line endings, or add `bin\/\* text eol=lf` to \.gitattributes/);
      });
    }

    it('is reported with its folder and the number of lines', async () => {
      const failure = await failureOf(`#!/bin/sh\n${crlf('exit 3')}`, 'deploy/hooks/build');
      expect(failure.detail.split('\n')[0]).to.equal(
        '1 of the 2 lines of deploy/hooks/build have Windows line endings (CRLF).',
      );
      expect(failure.remedy).to.include('`deploy/hooks/* text eol=lf`');
    });

    it('gets a notice if it exits with 0', async () => {
      await ranWell(open({ files: { 'bin/pre_compile': crlf('echo built > built.txt') } }));
      const notices = scene.printed.filter(({ type }) => type === 'notice');
      expect(notices.map(({ code }) => code)).to.deep.equal(['hooks::crlf']);
      expect(notices[0]?.text).to.include('bin/pre_compile has Windows line endings');
    });

    it('does not include scripts with LF, or programs with such bytes', async () => {
      expect((await failureOf('exit 1\n')).remedy).not.to.include('LF line');
      await ranWell(open({ files: { 'bin/pre_compile': 'exit 0\n\0\r\n' } }));
      expect(scene.printed.map(({ type }) => type)).to.deep.equal(['step']);
    });
  });
});
