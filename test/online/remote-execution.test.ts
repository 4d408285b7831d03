import { expect } from 'chai';
import { rmSync } from 'node:fs';
import type { Casd } from '../support/casd.js';
import { needCasd } from '../support/casd.js';
import { RemoteScene, type EndedRun, type Machine } from '../support/remote-scene.js';
import { BUILDER, startWorkers, workerFolder } from '../support/workers.js';

const WORKING = { PYFLOW_BUILDER: BUILDER, PYFLOW_REMOTE_EXECUTE: '1' };
const layersOf = ({ report }: EndedRun): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, { layer }]) => [id, layer?.digest]));
const keysOf = ({ report }: EndedRun): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, { key }]) => [id, key]));
const linesOf = ({ ended }: EndedRun): readonly string[] =>
  ended.events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));

describe('remote execution', function () {
  this.timeout(240_000);
  let casd: Casd;
  let scene: RemoteScene;
  let folder: string;
  before(async function () {
    needCasd(this);
    folder = workerFolder();
    casd = await startWorkers(folder);
  });
  after(async () => {
    await casd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => (scene = new RemoteScene()));
  afterEach(() => rmSync(scene.root, { recursive: true, force: true }));

  const there = (more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({ name: 'there', url: casd.url, ...more, env: { ...WORKING, ...more.env } });
  const here = (more: Partial<Machine> = {}): Promise<EndedRun> =>
    scene.on({ name: 'here', ...more, env: { PYFLOW_BUILDER: BUILDER, ...more.env } });

  it('gives a node the key, the layer and the log that it has here', async () => {
    scene.write({ 'src/a.txt': scene.tag }).pipeline(`pyflow: 1
nodes:
  one:
    uses: command
    with: { argv: [sh, -c, 'pwd; mkdir -p gen/empty; cat src/a.txt > gen/x; ln -s x gen/link; chmod 755 gen/x; echo said; echo to >&2'], reads: ['src/**'], writes: ['gen/**'] }
`);
    const remote = await there();
    expect(remote.notices).to.deep.equal({});
    expect(remote.report.nodes['one']?.executedOn).to.equal('remote');
    const local = await here({ sandbox: 'auto' });
    expect(layersOf(remote)).to.deep.equal(layersOf(local));
    expect(keysOf(remote)).to.deep.equal(keysOf(local));
    expect(linesOf(remote)).to.deep.equal(linesOf(local));
    expect(remote.report.slug?.digest).to.equal(local.report.slug?.digest);
  });
});
