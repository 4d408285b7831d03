// The shipped Python pipeline with its default providers, on every CPython of this machine: the runtime is the
// requested one, pip at its pinned version installs for it, and the installed package can be imported.

import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { toolVersion } from '../../src/manifests/catalogue/tools.js';
import { pyenvVersions } from '../support/runtimes.js';
import { Workspace } from '../support/workspace.js';

const PIPELINE = resolve(import.meta.dirname, '../../pipelines/python.yml');
const versions = pyenvVersions();

describe(`every CPython here${versions.length > 0 ? '' : ' (skipped: none under pyenv)'}`, function () {
  this.timeout(120_000);
  let work: Workspace;
  before(function () {
    if (versions.length === 0) return this.skip();
    work = new Workspace();
  });
  after(() => work?.cleanUp());

  for (const version of versions) {
    it(`builds a slug with ${version}`, async () => {
      const minor = version.split('.').slice(0, 2).join('.');
      work.write({ '.python-version': `${minor}\n`, 'requirements.txt': 'markupsafe==3.0.3\n' });
      const report = await work.run({
        pipelineFile: PIPELINE,
        // No host to download from, like a laptop in a closed network.
        settings: { PYTHON_MIRROR: 'http://127.0.0.1:9', SYSTEM_PYTHONS: join(pyenv(), version) },
        passThrough: passThroughOf(process.env),
      });
      expect(report.failure).to.equal(undefined);
      expect(report.nodes['runtime']?.outputs).to.include({ version, minor, provider: 'system' });
      expect(report.nodes['pip-tool']?.outputs).to.include({ version: toolVersion('pip') });
      const script = 'import markupsafe._speedups, platform; print(platform.python_version(), markupsafe.escape("<"))';
      const python = join(work.outDir, '.scalingo/python/bin/python');
      expect(execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim()).to.equal(`${version} &lt;`);
    });
  }
});

const pyenv = (): string => join(process.env['HOME'] ?? '', '.pyenv/versions');
