// The example apps as images on a Debian: crane, a client of another project, pushes them to a registry, validates and exports them,
// and the exported root file system boots without anything of this machine.

import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { SLUG_MARKERS } from '../../src/engine/app/source-names.js';
import { removeTree } from '../../src/engine/files/remove-tree.js';
import { answerOf, onItsSystem } from '../support/oci-boot.js';
import { contentOf, readImages, unpack, writeBase } from '../support/oci.js';
import { bringOrSkip } from '../support/servers/bring.js';
import { OtherHost } from '../support/servers/debian-root.js';
import { freePorts, ServerProcess } from '../support/servers/server-process.js';
import { Workspace } from '../support/workspace.js';

const ROOT = resolve(import.meta.dirname, '../..');

describe('images of the example apps on a Debian', function () {
  this.timeout(600_000);
  let crane: string;
  let registry: ServerProcess;
  let address: string;
  let work: Workspace;
  before(async function () {
    const host = OtherHost.need(this);
    crane = bringOrSkip(this, 'crane');
    const [port = 0] = await freePorts(1);
    address = `127.0.0.1:${port}`;
    registry = await ServerProcess.start({ argv: [crane, 'registry', 'serve', '--address', address], ready: port });
    work = new Workspace();
    writeBase(join(work.root, 'debian'), { tree: host.root });
  });
  after(async () => {
    await registry?.end();
    if (work !== undefined) removeTree(work.root);
  });

  const cranes = (...words: readonly string[]): Buffer =>
    execFileSync(crane, words, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 31 });

  for (const example of ['flask-pip', 'django-poetry']) {
    it(`validates and boots ${example}`, async () => {
      cpSync(join(ROOT, 'examples', example), work.appDir, { recursive: true });
      const path = join(work.root, `image-${example}`);
      const report = await work.run({
        pipelineFile: join(ROOT, 'pipelines/python.yml'),
        sandbox: 'auto',
        passThrough: passThroughOf(process.env),
        outputs: [{ type: 'oci', path, compression: 'gzip', base: { layout: join(work.root, 'debian') } }],
      });
      expect(report.status, JSON.stringify(report.failure)).to.equal('succeeded');
      const image = readImages(path).get('web')!;
      const name = `${address}/${example}`;
      cranes('push', '--index', path, `${name}:all`);
      expect(cranes('validate', '--remote', `${name}:all`).toString()).to.match(/^PASS/);
      const root = join(work.root, `root-${example}`);
      unpack(cranes('export', `${name}@${image.digest}`, '-'), root);
      expect(contentOf(join(root, 'app'))).to.deep.equal(contentOf(work.outDir, SLUG_MARKERS));
      expect((await answerOf(onItsSystem(root), image)).length).to.be.greaterThan(0);
      rmSync(work.appDir, { recursive: true });
      removeTree(root);
    });
  }
});
