// The decisions of the kind and its run of manage.py, with the Python of this machine. Django itself is in test/online.

import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { DjangoCollectstatic } from '../../src/plugins/django-collectstatic/plugin.js';
import { PluginScene, type SceneOptions } from '../support/plugin-scene.js';
import { skipBecause } from '../support/skip.js';

const CONFIG = { root: '.', vendorDir: '.scalingo' };
const DJANGO = { '.scalingo/python/lib/python3.13/site-packages/django/__init__.py': '' };
const MARKER = '.scalingo/collectstatic_disabled';
/** Prints and writes the same as Django. */
const collecting = (summary: string, file = 'static/app.css'): string => `
import os, pathlib, sys
path = pathlib.Path(${JSON.stringify(file)})
if path.name: path.parent.mkdir(exist_ok=True, parents=True); path.write_text('body {}')
print()
print(${JSON.stringify(summary)})
`;
const COLLECTED = "1 static file copied to '/app/static'.";

describe('plugins/django-collectstatic', () => {
  let scene: PluginScene;
  const open = (options: SceneOptions = {}): DjangoCollectstatic => {
    scene = new PluginScene(options);
    const bin = join(scene.appDir, '.scalingo/python/bin');
    mkdirSync(bin, { recursive: true });
    symlinkSync('/usr/bin/python3', join(bin, 'python'));
    return new DjangoCollectstatic(scene);
  };
  const play = (kind: DjangoCollectstatic, root = '.') => scene.play(kind, { ...CONFIG, root }, { tree: '' });
  const ranWell = async (kind: DjangoCollectstatic, root?: string) => {
    const { reads, result } = await play(kind, root);
    if (!result.ok) throw new Error(result.failure.detail);
    return { reads, ...result.value };
  };
  before(function () {
    if (existsSync('/usr/bin/python3')) return;
    return skipBecause(this, 'needs /usr/bin/python3');
  });
  afterEach(() => scene?.close());

  describe('when it does nothing', () => {
    it('[django.not-installed] is silent, pure, and records nothing without Django', async () => {
      const { reads, outputs } = await ranWell(open({ files: { 'manage.py': 'raise SystemExit(1)' } }));
      expect(reads).to.deep.equal({ facts: {}, pure: true });
      expect([outputs, scene.printed, scene.started]).to.deep.equal([{}, [], []]);
    });

    it('[django.no-manage-py] reports a missing manage.py', async () => {
      const files = { ...DJANGO, 'a/b/c/manage.py': '', 'manage.py/x': '', 'management.py': '' };
      const { reads, outputs } = await ranWell(open({ files }));
      expect(reads).to.deep.equal({ facts: { status: 'skipped-no-manage-py' }, pure: true });
      expect(outputs).to.deep.equal({ status: 'skipped-no-manage-py' });
      expect(scene.printed.map(({ type, text }) => `${type} ${text}`)).to.deep.equal([
        'step Not collecting static files, because no manage.py was found',
      ]);
    });

    it('[django.disabled-file] [django.disabled-file-warning] stops for a file, also without Django, and warns about it', async () => {
      const { reads, outputs } = await ranWell(open({ files: { [MARKER]: '' } }));
      expect(reads).to.deep.equal({ facts: { status: 'disabled-file' }, pure: true });
      expect(outputs).to.deep.equal({ status: 'disabled-file' });
      expect(scene.printed.map(({ type }) => type)).to.deep.equal(['step', 'notice']);
      expect(scene.printed[1]).to.include({ code: 'collectstatic::disabled-by-file' });
      expect(scene.printed[1]?.text).to.contain('DISABLE_COLLECTSTATIC');
    });

    it('[django.disabled-file] looks for the file before the variable', async () => {
      const { outputs } = await ranWell(open({ files: { [MARKER]: '' }, appEnv: { DISABLE_COLLECTSTATIC: '1' } }));
      expect(outputs).to.deep.equal({ status: 'disabled-file' });
    });

    for (const value of ['1', 'true', 'yes', '00', ' ']) {
      it(`[django.disabled-env] stops for DISABLE_COLLECTSTATIC=${JSON.stringify(value)}, keyed only on the decision`, async () => {
        const kind = open({ appEnv: { DISABLE_COLLECTSTATIC: value } });
        const { reads, outputs } = await ranWell(kind);
        expect(reads).to.deep.equal({ facts: { status: 'disabled-env-var' }, pure: true });
        expect(outputs).to.deep.equal({ status: 'disabled-env-var' });
      });
    }

    it('[test-compile.mode] stops in test mode, unless the app overrides it', async () => {
      const files = { ...DJANGO, 'manage.py': collecting(COLLECTED) };
      expect((await ranWell(open({ files, mode: 'test' }))).outputs).to.deep.equal({ status: 'disabled-env-var' });
      scene.close();
      const appEnv = { DISABLE_COLLECTSTATIC: '0' };
      expect((await ranWell(open({ files, mode: 'test', appEnv }))).outputs).to.deep.equal({ status: 'enabled' });
    });
  });

  for (const value of ['', '0']) {
    it(`[django.disabled-env] goes on for DISABLE_COLLECTSTATIC=${JSON.stringify(value)}`, async () => {
      const files = { ...DJANGO, 'manage.py': collecting(COLLECTED) };
      const { outputs } = await ranWell(open({ files, appEnv: { DISABLE_COLLECTSTATIC: value } }));
      expect(outputs).to.deep.equal({ status: 'enabled' });
    });
  }

  it('[django.manage-py-search] uses the shallowest manage.py, at most three levels deep', async () => {
    const wrong = 'raise SystemExit(1)';
    const kind = open({
      files: { ...DJANGO, 'a/b/manage.py': wrong, 'z/manage.py': wrong, 'b/manage.py': collecting(COLLECTED) },
    });
    await ranWell(kind);
    expect(scene.started[0]?.argv[1]).to.equal('b/manage.py');
    scene.close();
    await ranWell(open({ files: { ...DJANGO, 'a/b/manage.py': collecting(COLLECTED) } }));
    expect(scene.started[0]?.argv[1]).to.equal('a/b/manage.py');
  });

  it('[django.run] shows the command as a line, and runs it without prompts and with tracebacks', async () => {
    const { outputs, reads } = await ranWell(open({ files: { ...DJANGO, 'manage.py': collecting(COLLECTED) } }));
    expect(outputs).to.deep.equal({ status: 'enabled' });
    expect(scene.printed).to.deep.equal([{ type: 'step', text: '$ python manage.py collectstatic --noinput' }]);
    expect(scene.started[0]).to.deep.include({
      argv: [`${scene.appDir}/.scalingo/python/bin/python`, 'manage.py', 'collectstatic', '--noinput', '--traceback'],
      cwd: scene.appDir,
      network: true,
    });
    expect(reads).to.deep.include({ files: ['**'], scope: 'app' });
    expect(reads).to.not.have.property('sideEffects');
  });

  it('[django.ok] keeps the collected files', async () => {
    const result = await ranWell(open({ files: { ...DJANGO, 'manage.py': collecting(COLLECTED) } }));
    expect(scene.read('static/app.css')).to.equal('body {}');
    expect(result).to.not.have.property('uncacheable');
  });

  it('runs in the root, with the paths of the slug', async () => {
    const files = { ...DJANGO, 'web/manage.py': collecting(COLLECTED), 'manage.py': 'raise SystemExit(1)' };
    await ranWell(open({ files }), 'web');
    expect(scene.started[0]).to.deep.include({ cwd: `${scene.appDir}/web` });
    expect(scene.started[0]?.argv[1]).to.equal('manage.py');
    expect(scene.started[0]?.env).to.include({ BUILD_DIR: scene.appDir, HOME: scene.appDir });
  });

  it('[django.user-env] [userenv.denylist] runs with all variables of the app except the denied ones', async () => {
    const appEnv = {
      SECRET_KEY: 's',
      DATABASE_URL: 'postgres://h',
      PATH: '/evil',
      PYTHONHOME: '/evil',
      LD_PRELOAD: 'evil.so',
    };
    const { reads } = await ranWell(open({ files: { ...DJANGO, 'manage.py': collecting(COLLECTED) }, appEnv }));
    expect(reads.env).to.deep.equal(['DATABASE_URL', 'SECRET_KEY']);
    const env = scene.started[0]?.env ?? {};
    expect(env).to.include({
      SECRET_KEY: 's',
      DATABASE_URL: 'postgres://h',
      LANG: 'en_US.UTF-8',
      PYTHONUNBUFFERED: '1',
    });
    expect(env['PATH']).to.match(new RegExp(`^${scene.appDir}/\\.scalingo/python/bin:`));
    expect(env).to.not.have.any.keys('PYTHONHOME', 'LD_PRELOAD');
  });

  it('[django.pythonpath] puts the current folder on the path, unless the app sets a path', async () => {
    const files = { ...DJANGO, 'manage.py': collecting(COLLECTED) };
    await ranWell(open({ files }));
    expect(scene.started[0]?.env['PYTHONPATH']).to.equal('.');
    scene.close();
    await ranWell(open({ files, appEnv: { PYTHONPATH: 'src' } }));
    expect(scene.started[0]?.env['PYTHONPATH']).to.equal('src');
  });

  describe('failing', () => {
    const failures: readonly (readonly [id: string, code: string, script: string])[] = [
      ['django.fail-syntax', 'collectstatic-syntax-error', 'x = (1'],
      [
        'django.fail-syntax',
        'collectstatic-syntax-error',
        'class ImproperlyConfigured(OSError): pass\ntry:\n  raise ImproperlyConfigured\nexcept OSError:\n  exec("x = (1")',
      ],
      [
        'django.fail-config',
        'collectstatic-improper-configuration',
        'class ImproperlyConfigured(Exception): pass\nraise ImproperlyConfigured("STATIC_ROOT")',
      ],
      [
        'django.fail-css',
        'collectstatic-fancy-references',
        `raise ValueError("The CSS file 'a.css' references a file which could not be found: b.png")`,
      ],
      ['django.fail-oserror', 'collectstatic-missing-file', 'raise OSError("no such directory")'],
      ['django.fail-other', 'collectstatic-other', `raise SystemExit("Unknown command: 'collectstatic'")`],
    ];
    for (const [id, code, script] of failures) {
      it(`[${id}] has the code ${code}`, async () => {
        const { result } = await play(open({ files: { ...DJANGO, 'manage.py': script } }));
        if (result.ok) throw new Error('expected a failure');
        expect(result.failure).to.include({ code, blame: 'app' });
        expect(result.failure.remedy).to.contain('DISABLE_COLLECTSTATIC');
        expect(result.failure.detail).to.match(/status 1\.\n[^]*(Error|Configured|Unknown command)/);
      });
    }

    it('[django.debug-env] prints the whole environment if DEBUG_COLLECTSTATIC is 1, but only after a failure', async () => {
      const files = { ...DJANGO, 'manage.py': 'raise SystemExit(1)' };
      const programs = async (
        appEnv: Readonly<Record<string, string>>,
        script = files['manage.py'],
      ): Promise<readonly string[]> => {
        await play(open({ files: { ...files, 'manage.py': script }, appEnv }));
        const started = scene.started.map(({ argv: [program = ''] }) => program.replace(/.*\//, ''));
        if (started.length > 1) expect(scene.started[1]?.env).to.deep.equal(scene.started[0]?.env);
        scene.close();
        return started;
      };
      expect(await programs({ DEBUG_COLLECTSTATIC: '1' })).to.deep.equal(['python', 'env']);
      expect(await programs({ DEBUG_COLLECTSTATIC: 'yes' })).to.deep.equal(['python']);
      expect(await programs({ DEBUG_COLLECTSTATIC: '1' }, collecting(COLLECTED))).to.deep.equal(['python']);
    });
  });

  describe('what is stored', () => {
    const uncacheable = async (script: string): Promise<string | undefined> =>
      (await ranWell(open({ files: { ...DJANGO, 'manage.py': script } }))).uncacheable;

    it('includes a result with files, even if they already existed', async () => {
      expect(await uncacheable(collecting(COLLECTED))).to.equal(undefined);
      scene.close();
      expect(await uncacheable(collecting("0 static files copied to '/app/static', 7 unmodified.", ''))).to.equal(
        undefined,
      );
    });

    it('excludes an upload, recognized by the output of Django', async () => {
      expect(
        await uncacheable(collecting('130 static files copied, 2 unmodified.', 'manifest/staticfiles.json')),
      ).to.contain('not written into the slug');
    });

    it('excludes an upload of a command with other output, recognized by its files', async () => {
      expect(await uncacheable(collecting('Uploaded everything', ''))).to.contain('not written into the slug');
      scene.close();
      expect(await uncacheable(collecting('Wrote everything'))).to.equal(undefined);
    });

    it('excludes files that contain the private path', async () => {
      const script = `${collecting(COLLECTED)}\npath.write_text(os.getcwd())`;
      expect(await uncacheable(script)).to.contain('static/app.css');
    });
  });
});
