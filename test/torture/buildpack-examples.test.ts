// Builds every example twice with the steps of the adapter, in a temporary folder and in /app, with every package
// manager. Each one answers over HTTP where it runs on a platform.

import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { hasNamespaces } from '../support/namespaces.js';
import { APP, ask, mayMakeApp, Platform, type AskOptions } from '../support/platform.js';
import { pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

interface Example {
  readonly app: string;
  readonly root?: string;
  readonly manager: string;
  /** The request, and a text that the response must contain. */
  readonly path: string;
  readonly answer: string;
  readonly boot?: AskOptions;
}

const EXAMPLES: readonly Example[] = [
  { app: 'flask-pip', manager: 'pip', path: '/', answer: '<html' },
  {
    app: 'django-poetry',
    manager: 'poetry',
    path: '/healthz',
    answer: '"status": "ok"',
    boot: { prepare: 'python manage.py migrate', env: { DATABASE_PATH: '/tmp/adapter-examples.sqlite3' } },
  },
  { app: 'fastapi-uv', manager: 'uv', path: '/tasks', answer: '[]' },
  {
    app: 'flask-sqlalchemy-pipenv',
    manager: 'pipenv',
    path: '/healthz',
    answer: '"ok"',
    boot: { env: { DATABASE_URL: 'sqlite:////tmp/adapter-examples.sqlite3' } },
  },
  { app: 'package-uv', manager: 'uv', path: '/healthz', answer: '"ok"' },
  { app: 'monorepo', root: 'services/shop', manager: 'pip', path: '/', answer: 'croissant' },
  { app: 'monorepo', root: 'services/quotes', manager: 'uv', path: '/quote?croissant=24', answer: '25.92' },
];

const MINOR = readFileSync(resolve(import.meta.dirname, '../../examples/flask-pip/.python-version'), 'utf8').trim();
const hasPython = pyenvVersions().some((version) => version.startsWith(`${MINOR}.`));

describe(`examples through the adapter${hasPython ? '' : ` (skipped: no CPython ${MINOR} under pyenv)`}`, function () {
  this.timeout(600_000);
  let platform: Platform;
  before(function () {
    if (!hasPython) return this.skip();
    platform = new Platform();
  });
  after(() => platform?.cleanUp());
  afterEach(() => {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`/tmp/adapter-examples.sqlite3${end}`, { force: true });
  });

  for (const { app, root = '.', manager, path, answer, boot } of EXAMPLES) {
    for (const sandbox of ['required', 'none']) {
      it(`builds, boots and rebuilds ${app}${root === '.' ? '' : ` in ${root}`} (sandbox ${sandbox})`, async function () {
        if (sandbox === 'required' && !(await hasNamespaces())) {
          return skipBecause(this, 'this machine has no namespaces');
        }
        const cacheDir = join(platform.root, `cache-${app}-${root.replaceAll('/', '-')}-${sandbox}`);
        const env = {
          PYFLOW_PARAMS: `providers=["system"]\nroot=${root}`,
          PYFLOW_SANDBOX: sandbox,
          // Both modes share runtime and tools. What an app builds itself is bound to its id.
          PYFLOW_CACHE_DIR: join(platform.root, 'shared'),
        };
        const build = (buildDir: string): void => {
          expect(platform.step('detect', [buildDir], env).stdout).to.equal('Python\n');
          const built = platform.step('compile', [buildDir, cacheDir, platform.envDir], env);
          expect(built.status, built.stdout + built.stderr).to.equal(0);
          expect(platform.step('release', [buildDir], env).status).to.equal(0);
          const { stdout } = platform.step('report', [buildDir, cacheDir, platform.envDir], env);
          expect(JSON.parse(stdout)).to.include({ package_manager: manager, python_version_major: MINOR });
        };

        const buildDir = platform.push(app);
        build(buildDir);
        if (!mayMakeApp()) {
          console.log('      (not in /app: only root may make it, and only where there is none)');
          expect((await ask(buildDir, path, boot)).text).to.contain(answer);
          build(platform.push(app));
          return;
        }
        try {
          renameSync(buildDir, APP);
          const moved = await ask(APP, path, boot);
          expect(moved.status, moved.text).to.equal(200);
          expect(moved.text).to.contain(answer);
          rmSync(APP, { recursive: true });

          build(platform.push(app, APP));
          const inPlace = await ask(APP, path, boot);
          expect(inPlace.status, inPlace.text).to.equal(200);
          expect(inPlace.text).to.contain(answer);
        } finally {
          rmSync(APP, { recursive: true, force: true });
        }
      });
    }
  }
});
