// The provider `scalingo` in a pipeline: version and runtime, through the engine, from a local server.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { pinsOf, platformArchive, type PlatformArchiveFile } from '../support/platform-archives.js';
import { prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { startServer, type TestServer } from '../support/http-server.js';
import { outcomesOf, Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

const PIPELINE = `
pyflow: 1
name: platform
params:
  stack: { type: string, default: scalingo-24 }
  providers: { type: array, items: { type: string }, default: [scalingo] }
nodes:
  version:
    uses: version-resolve
    with: { stack: '\${{ params.stack }}', providers: '\${{ params.providers }}' }
    inputs: { manager: manager.name }
  manager: { uses: package-manager }
  runtime:
    uses: fetch-runtime
    with: { stack: '\${{ params.stack }}', providers: '\${{ params.providers }}' }
    inputs: { python: version.python }
`;

describe("plugins/fetch-runtime in a pipeline, with the platform's archives", function () {
  this.timeout(60_000);
  let runtime: PreparedRuntime;
  let archive: PlatformArchiveFile;
  let server: TestServer;
  let work: Workspace;
  before(async function () {
    if (!(process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'zstd')))) {
      return skipBecause(this, 'needs the program zstd');
    }
    runtime = await prepareRuntime(this);
    work = new Workspace();
    work.pipeline(PIPELINE).write({ 'requirements.txt': '', '.python-version': `${runtime.minor}\n` });
    archive = platformArchive(runtime, join(work.root, 'platform'), 'scalingo-24');
    server = await startServer((request, response) => {
      if (request.url !== `/python/${archive.name}`) return void response.writeHead(404).end();
      response.end(readFileSync(join(archive.folder, archive.name)));
    });
  });
  after(async () => {
    await server?.close();
    work?.cleanUp();
  });
  const settings = (pins: string) => ({ PINS: pins, SCALINGO_MIRROR: `${server.origin}/python` });

  it('resolves to the pinned patch, fetches it once, and is up to date until the pins change', async () => {
    const pins = pinsOf(archive);
    const first = await work.run({ settings: settings(pins) });
    expect(first.failure).to.equal(undefined);
    expect(first.nodes['runtime']?.outputs).to.include({ version: runtime.version, provider: 'scalingo' });
    expect(first.nodes['runtime']?.outcome).to.equal('executed');
    expect(server.requests).to.deep.equal([`GET /python/${archive.name}`]);
    expect(await work.fastRun({ settings: settings(pins) })).not.to.equal(undefined);

    // A pin of another minor changes the setting, so the fast path does not apply, but no key of a node changes.
    const more = pinsOf(archive, { ...archive, name: 'python-3.99.0-ubuntu-24.04-amd64.tar.zst' });
    expect(await work.fastRun({ settings: settings(more) })).to.equal(undefined);
    const again = await work.run({ settings: settings(more) });
    expect(new Set(Object.values(outcomesOf(again)))).to.deep.equal(new Set(['up-to-date']));
  });

  it('blames the pipeline if nothing is pinned, before any download', async () => {
    const before = server.requests.length;
    const report = await work.run({ settings: settings('{"archives":{}}') });
    expect(report.nodes['version']?.failure?.code).to.equal('python-version::not-available');
    expect(report.exitCode).to.equal(2);
    expect(server.requests.length).to.equal(before);
  });

  it('blames the environment for bytes that do not match the pin, and stores nothing', async () => {
    const pins = pinsOf({ ...archive, sha256: '1'.repeat(64) });
    const report = await work.run({ settings: settings(pins) });
    expect(report.nodes['runtime']?.failure?.code).to.equal('install-python');
    expect(report.nodes['runtime']?.failure?.detail).to.include('download::wrong-digest');
    expect(report.exitCode).to.equal(75);
  });
});
