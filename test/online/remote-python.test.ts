import { expect } from 'chai';
import { cpSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Casd, needCasd } from '../support/casd.js';
import { outcomesOf, RemoteScene } from '../support/remote-scene.js';
import { pyenvVersions } from '../support/runtimes.js';
import { skipBecause } from '../support/skip.js';

const ROOT = resolve(import.meta.dirname, '../..');

describe('remote cache, for a Python app', function () {
  this.timeout(600_000);
  let casd: Casd;
  let scene: RemoteScene;
  before(async function () {
    needCasd(this);
    if (pyenvVersions().length === 0) skipBecause(this, 'needs a CPython of pyenv');
    casd = await Casd.start();
    scene = new RemoteScene();
    cpSync(join(ROOT, 'examples/flask-pip'), scene.appDir, { recursive: true });
  });
  after(async () => {
    await casd?.stop();
    if (scene !== undefined) rmSync(scene.root, { recursive: true, force: true });
  });

  it('installs nothing on a second machine, and moves each file once', async () => {
    const machine = {
      url: casd.url,
      pipelineFile: join(ROOT, 'pipelines/python.yml'),
      args: ['-p', 'providers=["system"]'],
      env: { HOME: homedir() },
    };
    const one = await scene.on({ name: 'one', write: true, ...machine });
    const two = await scene.on({ name: 'two', ...machine });
    expect(two.report.slug?.digest).to.equal(one.report.slug?.digest);
    // An interpreter of the machine is second best, so its copy never leaves the machine.
    expect(outcomesOf(two.report)).to.include({
      runtime: 'executed',
      'pip-tool': 'restored remote',
      'runtime-tools': 'restored remote',
      pip: 'restored remote',
      environment: 'restored remote',
    });
    const { roundTrips, bytesDown, savedMs } = two.report.remote!;
    expect(roundTrips).to.be.at.most(25);
    expect(bytesDown).to.be.at.most(55_000_000);
    expect(savedMs).to.be.greaterThan(1000);
    // The tool is needed for nothing, so that only its tree came.
    const tool = one.report.nodes['pip-tool']!;
    expect(bytesDown, JSON.stringify(tool)).to.be.lessThan(25_000_000);
    const third = await scene.on({ name: 'two', ...machine, args: [...machine.args, '--app-id=another'] });
    expect(third.report.remote?.bytesDown, 'what is here is not fetched again').to.be.lessThan(1_000_000);
  });
});
