// The example apps, built with a cluster: what its workers make for them is what this machine makes.

import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { layersOf, ranRemotely, RemoteScene } from '../support/remote-scene.js';
import { pyenvVersions } from '../support/runtimes.js';
import { Cluster, needCluster } from '../support/servers/cluster.js';
import { skipBecause } from '../support/skip.js';
import { BUILDER, workerFolder, workerMounts } from '../support/workers.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Example {
  readonly app: string;
  readonly root?: string;
  /** The nodes that need nothing but their inputs. Django's collectstatic may ask a database, and reads the app's variables. */
  readonly onWorkers: readonly string[];
}

const EXAMPLES: readonly Example[] = [
  { app: 'flask-pip', onWorkers: ['runtime-tools', 'concurrency', 'environment'] },
  { app: 'flask-sqlalchemy-pipenv', onWorkers: ['runtime-tools', 'concurrency', 'environment'] },
  { app: 'django-poetry', onWorkers: ['concurrency', 'environment'] },
  { app: 'fastapi-uv', onWorkers: ['concurrency', 'environment'] },
  { app: 'package-uv', onWorkers: ['concurrency', 'environment'] },
  { app: 'monorepo', root: 'services/shop', onWorkers: ['runtime-tools', 'concurrency', 'environment'] },
  { app: 'monorepo', root: 'services/quotes', onWorkers: ['concurrency', 'environment'] },
];

describe('the example apps on a cluster', function () {
  this.timeout(300_000);
  let cluster: Cluster;
  let folder: string;
  let scene: RemoteScene;
  before(async function () {
    needCluster(this);
    if (!pyenvVersions().some((version) => version.startsWith('3.13.')))
      skipBecause(this, 'no CPython 3.13 under pyenv');
    folder = workerFolder();
    cluster = await Cluster.start({ mounts: workerMounts(folder) });
  });
  after(async () => {
    await cluster?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    scene = new RemoteScene();
  });
  afterEach(() => scene.cleanUp());

  for (const { app, root = '.', onWorkers } of EXAMPLES) {
    const shown = root === '.' ? app : `${app}, ${root}`;
    it(`${shown} gets the layers and the slug that it gets here`, async () => {
      cpSync(join(ROOT, 'examples', app), scene.appDir, { recursive: true });
      scene.pipeline(readFileSync(join(ROOT, 'pipelines/python.yml'), 'utf8'));
      // A set of results of its own, because examples have nodes in common, and each is to run.
      const settings = `url: ${cluster.url}\nexecute: true\nscope: ${scene.tag}\n`;
      scene.write({ 'remote.yml': settings }, scene.root);
      const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PYFLOW_'));
      const env = { ...(Object.fromEntries(own) as Record<string, string>), PYFLOW_BUILDER: BUILDER };
      const args = ['-p', 'providers=["system"]', '-p', `root=${root}`];
      const machine = { sandbox: 'auto', args, env } as const;
      const remote = await scene.on({
        ...machine,
        name: 'there',
        args: [...args, `--remote-settings=${scene.root}/remote.yml`],
      });
      const local = await scene.on({ ...machine, name: 'here' });
      expect(remote.notices).to.deep.equal({});
      expect(layersOf(remote.report)).to.deep.equal(layersOf(local.report));
      expect(remote.report.slug?.digest).to.be.a('string').that.equals(local.report.slug?.digest);
      expect(ranRemotely(remote.report)).to.have.members(onWorkers);
    });
  }
});
