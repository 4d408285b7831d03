import { expect } from 'chai';
import { mkdirSync } from 'node:fs';
import { MemoryReapi } from '../../support/memory-reapi.js';
import { outcomesOf, RemoteScene, type EndedRun, type Machine } from '../../support/remote-scene.js';

/** `large` does not fit a batch. */
const PIPELINE = `
pyflow: 1
nodes:
  large:
    uses: command
    with: { argv: [sh, -c, "yes 123456789 | head -c 4500000 > large; yes x | head -c 4500001 > other"], writes: [large, other] }
  after:
    uses: command
    with: { argv: [sh, -c, "wc -c < large > counted"], reads: [large], writes: [counted] }
    after: [large]
`;

describe('engine/remote, with a full disk', function () {
  this.timeout(60_000);
  let server: MemoryReapi;
  let scene: RemoteScene;
  beforeEach(async () => {
    server = await MemoryReapi.start();
    scene = new RemoteScene();
    scene.pipeline(PIPELINE);
  });
  afterEach(() => {
    scene.cleanUp();
    server.stop();
  });

  /** A run ends before its uploads if those take longer than the run. */
  async function uploaded(): Promise<EndedRun> {
    for (;;) {
      const done = await scene.on({ name: 'writer', url: server.url, write: true, args: ['--refresh=all'] });
      if (done.report.remote?.notUploaded === 0) return done;
    }
  }
  /** With a cache folder of this size. */
  const small = (size: string): Pick<Machine, 'name' | 'through'> => {
    const cacheDir = `${scene.root}/cache-small`;
    mkdirSync(cacheDir);
    const mount = `mount -t tmpfs -o size=${size},mode=700 tmpfs '${cacheDir}' && "$@"`;
    return { name: 'small', through: ['unshare', '-m', 'sh', '-c', mount, 'sh'] };
  };

  for (const size of ['2m', '6m']) {
    it(`restores results whose blobs do not fit a cache of ${size}, and says once that it keeps nothing`, async () => {
      const honest = await uploaded();
      const { report, ended } = await scene.on({ ...small(size), url: server.url });
      expect(report.status, ended.stdout).to.equal('succeeded');
      expect(report.slug?.digest).to.equal(honest.report.slug?.digest);
      expect(outcomesOf(report)).to.deep.equal({ large: 'restored remote', after: 'restored remote' });
      const told = ended.events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
      expect(told).to.deep.equal(['cache::not-stored']);
    });
  }
});
