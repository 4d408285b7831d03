import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { RuntimeEnvironment } from '../../src/plugins/runtime-environment/plugin.js';
import { PluginScene } from '../support/plugin-scene.js';

interface Vector {
  readonly files: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly sets: Readonly<Record<string, string>>;
}
const { sqlalchemyUrls } = JSON.parse(readFileSync(new URL('../fixtures/stacks.json', import.meta.url), 'utf8')) as {
  readonly sqlalchemyUrls: readonly Vector[];
};

const SHELLS: readonly (readonly string[])[] = [['bash'], ['bash', '-euo', 'pipefail'], ['dash', '-eu']];
const PATH = '/usr/bin:/bin';

describe('plugins/runtime-environment', () => {
  let scene: PluginScene;
  const open = async (manager?: string, vendorDir = '.scalingo', files: Vector['files'] = {}): Promise<void> => {
    scene = new PluginScene({ files });
    const { reads, result } = await scene.play(
      new RuntimeEnvironment(scene),
      { vendorDir, root: '.' },
      manager === undefined ? {} : { manager },
    );
    expect([reads, result]).to.deep.equal([{ facts: null }, { ok: true, value: { outputs: {} } }]);
  };
  afterEach(() => scene.close());

  /** The variables that sourcing the scripts adds or changes, in the app's folder. */
  function boot(shell: readonly string[], scripts: readonly string[], env: Readonly<Record<string, string>>) {
    const [program = '', ...options] = shell;
    const source = scripts.map((script) => `. "$1/.profile.d/${script}"`).join('\n');
    const given: Record<string, string> = { PATH, ...env };
    const { stdout, stderr, status } = spawnSync(
      program,
      [...options, '-c', `${source}\nexec /usr/bin/env -0`, 'boot', scene.appDir],
      // A pipe as standard input makes bash believe it was started by rshd, and read ~/.bashrc.
      { encoding: 'utf8', env: given, cwd: scene.appDir, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    expect([status, stderr], shell.join(' ')).to.deep.equal([0, '']);
    const pairs = stdout.split('\0').map((line) => line.split(/=(.*)/s, 2) as [string, string]);
    return Object.fromEntries(
      pairs.filter(([name, value]) => given[name] !== value && !['', '_', 'PWD', 'OLDPWD', 'SHLVL'].includes(name)),
    );
  }

  it('[env.set-env] [profile.path] [profile.unbuffered] [profile.pythonhome] sets paths to the runtime in the folder of the slug, in every shell', async () => {
    await open();
    for (const shell of SHELLS) {
      expect(boot(shell, ['python.sh'], { HOME: '/somewhere/else' })).to.deep.equal({
        PYTHONHOME: '/somewhere/else/.scalingo/python',
        PATH: `/somewhere/else/.scalingo/python/bin:${PATH}`,
        PYTHONUNBUFFERED: 'true',
        LIBRARY_PATH: '/somewhere/else/.scalingo/python/lib',
        LD_LIBRARY_PATH: '/somewhere/else/.scalingo/python/lib',
        LANG: 'en_US.UTF-8',
        PYTHONPATH: '/somewhere/else',
      });
    }
  });

  it('falls back to /app without HOME', async () => {
    await open();
    expect(boot(['bash', '-u'], ['python.sh'], {})).to.include({
      PYTHONHOME: '/app/.scalingo/python',
      PYTHONPATH: '/app',
    });
  });

  it('puts its folders before existing ones, separated by one colon', async () => {
    await open();
    const set = boot(['bash'], ['python.sh'], { HOME: '/h', LD_LIBRARY_PATH: '/a:/b', LIBRARY_PATH: '/c' });
    expect(set['LD_LIBRARY_PATH']).to.equal('/h/.scalingo/python/lib:/a:/b');
    expect(set['LIBRARY_PATH']).to.equal('/h/.scalingo/python/lib:/c');
  });

  it('[env.set-default-env] [profile.lang] [profile.pythonpath] keeps a language and a module path of the app', async () => {
    await open();
    const set = boot(['bash'], ['python.sh'], { HOME: '/h', LANG: 'fr_FR.UTF-8', PYTHONPATH: '/h/src' });
    expect(set).to.not.have.any.keys('LANG', 'PYTHONPATH');
  });

  it('[pip.env-version-check] [pipenv.env] adds variables for pip and Pipenv, and none for the others', async () => {
    const added: Record<string, Record<string, string>> = {};
    for (const manager of ['pip', 'pipenv', 'poetry', 'uv', 'constructor']) {
      await open(manager);
      const set = boot(['bash', '-eu'], ['python.sh'], { HOME: '/h' });
      added[manager] = Object.fromEntries(Object.entries(set).filter(([name]) => /^(PATH|PIP|VIRTUAL)/.test(name)));
      scene.close();
    }
    const python = '/h/.scalingo/python';
    expect(added).to.deep.equal({
      pip: { PATH: `${python}/bin:${PATH}`, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
      pipenv: {
        PATH: `${python}/bin:${python}/pipenv/bin:${PATH}`,
        PIPENV_SYSTEM: '1',
        PIPENV_VERBOSITY: '-1',
        VIRTUAL_ENV: python,
      },
      poetry: { PATH: `${python}/bin:${PATH}` },
      uv: { PATH: `${python}/bin:${PATH}` },
      constructor: { PATH: `${python}/bin:${PATH}` },
    });
  });

  it('uses the vendor folder', async () => {
    await open('pip', '.heroku');
    expect(boot(['bash'], ['python.sh'], { HOME: '/h' })).to.include({ PYTHONHOME: '/h/.heroku/python' });
  });

  it('[gunicorn.forwarded-ips] [gunicorn.cmd-args] trusts forwarded addresses and logs requests to standard output by default', async () => {
    await open();
    for (const shell of SHELLS) {
      expect(boot(shell, ['python.gunicorn.sh'], { FORWARDED_ALLOW_IPS: '10.0.0.1' })).to.deep.equal({
        FORWARDED_ALLOW_IPS: '*',
        GUNICORN_CMD_ARGS: '--access-logfile -',
      });
      expect(boot(shell, ['python.gunicorn.sh'], { GUNICORN_CMD_ARGS: '-w 2' })).to.not.have.property(
        'GUNICORN_CMD_ARGS',
      );
    }
  });

  for (const [index, vector] of sqlalchemyUrls.entries()) {
    it(`[sqlalchemy.scan] [sqlalchemy.uses] [sqlalchemy.rewrite] rewrites database URLs for SQLAlchemy as observed, vector ${index + 1}`, async () => {
      await open('pip', '.scalingo', vector.files);
      for (const shell of SHELLS) {
        expect(boot(shell, ['python.sqlalchemy.sh'], vector.env)).to.deep.equal(vector.sets);
      }
    });
  }

  it('copies a URL with any special character, and runs nothing in it', async () => {
    await open('pip', '.scalingo', { 'requirements.txt': 'sqlalchemy==2' });
    const rest = 'u:$(touch pwned)`touch pwned`\'"\\ *;@h/db?a=b#c\nSCALINGO_POSTGRESQL_URL_X=postgres://no';
    for (const shell of SHELLS) {
      const set = boot(shell, ['python.sqlalchemy.sh'], { SCALINGO_POSTGRESQL_URL: `postgres://${rest}` });
      expect(set).to.deep.equal({ SCALINGO_POSTGRESQL_ALCHEMY_URL: `postgresql://${rest}` });
      expect(scene.has('pwned')).to.equal(false);
    }
  });

  it('has seven test vectors', async () => {
    await open();
    expect(sqlalchemyUrls).to.have.length(7);
  });

  describe('with a root', () => {
    const openRoot = async (files: Vector['files'] = {}) => {
      scene = new PluginScene({ files });
      const config = { vendorDir: '.scalingo', root: 'services/web' };
      return scene.play(new RuntimeEnvironment(scene), config, { manager: 'uv' });
    };

    it('starts processes there, without changing Python and HOME', async () => {
      await openRoot({ 'services/web/app.py': '' });
      for (const shell of SHELLS) {
        const home = scene.appDir;
        expect(boot(shell, ['python.sh', 'zzz-root.sh'], { HOME: home })).to.include({
          PYTHONHOME: `${home}/.scalingo/python`,
          PYTHONPATH: `${home}/services/web`,
        });
        const [program = '', ...options] = shell;
        const script = '. "$1/.profile.d/zzz-root.sh"; pwd; echo "$HOME"';
        const env = { PATH, HOME: home };
        const { stdout } = spawnSync(program, [...options, '-c', script, 'boot', home], {
          encoding: 'utf8',
          env,
          cwd: home,
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        expect(stdout).to.equal(`${home}/services/web\n${home}\n`);
      }
    });

    it('changes the folder in the last script', async () => {
      await openRoot();
      expect(scene.view.list('.profile.d').at(-1)).to.equal('zzz-root.sh');
    });

    it('looks for SQLAlchemy in the files of the root', async () => {
      const env = { SCALINGO_POSTGRESQL_URL: 'postgres://h/db', HOME: '/h' };
      const sets = { SCALINGO_POSTGRESQL_ALCHEMY_URL: 'postgresql://h/db' };
      await openRoot({ 'services/web/pyproject.toml': 'sqlalchemy' });
      for (const shell of SHELLS) expect(boot(shell, ['python.sqlalchemy.sh'], env)).to.deep.equal(sets);
      scene.close();
      await openRoot({ 'pyproject.toml': 'sqlalchemy' });
      expect(boot(['bash'], ['python.sqlalchemy.sh'], env)).to.deep.equal({});
    });

    it('copies its Procfile to the app, keyed on its content', async () => {
      const { reads } = await openRoot({ 'services/web/Procfile': 'web: serve\n' });
      expect(reads).to.deep.equal({ files: ['services/web/Procfile'], facts: { isCopied: true } });
      expect(scene.read('Procfile')).to.equal('web: serve\n');
    });

    it('does not overwrite a Procfile of the app', async () => {
      const { reads } = await openRoot({ 'services/web/Procfile': 'web: serve\n', Procfile: 'web: all\n' });
      expect(reads).to.deep.equal({ files: [], facts: { isCopied: false } });
      expect(scene.read('Procfile')).to.equal('web: all\n');
    });
  });

  it('[python.profile-dir] [profile.scripts] writes the three scripts as plain files', async () => {
    await open();
    expect(scene.view.list('.profile.d')).to.deep.equal(['python.gunicorn.sh', 'python.sh', 'python.sqlalchemy.sh']);
    expect(scene.view.isExecutable(join('.profile.d', 'python.sh'))).to.equal(false);
  });

  it('reports scripts in .profile.d with Windows line endings, for any root', async () => {
    for (const root of ['.', 'web']) {
      scene = new PluginScene({
        files: {
          '.profile.d/a.sh': 'export A=1\r\nexport B=2\r\n',
          '.profile.d/b.sh': '# mixed\nexport C=3\r\n',
          '.profile.d/good.sh': 'export D=4\n',
          '.profile.d/readme.txt': 'never sourced\r\n',
        },
      });
      const node = new RuntimeEnvironment(scene);
      const { reads, result } = await scene.play(node, { vendorDir: '.scalingo', root }, {});
      expect(result.ok).to.equal(true);
      const crlf = { '.profile.d/a.sh': { count: 2, total: 2 }, '.profile.d/b.sh': { count: 1, total: 2 } };
      expect(reads).to.have.property('facts').that.deep.include({ crlf });
      expect(scene.printed.map(({ code }) => code)).to.deep.equal(['profile::crlf', 'profile::crlf']);
      expect(scene.printed[0]?.text).to.match(
        /\.profile\.d\/a\.sh has Windows line endings.*`\.profile\.d\/\* text eol=lf`/s,
      );
      if (root === '.') scene.close();
    }
  });
});
