// Outputs on a full disk, and two runs that write the same ones.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { hexOf } from '../../../src/engine/files/digest.js';
import { SLUG_MARKERS } from '../../../src/engine/app/source-names.js';
import { removeTree } from '../../../src/engine/files/remove-tree.js';
import { CliScene, STACK_TRACE } from '../../support/cli-scene.js';
import { contentOf, decompressed, layerTars, readImages, unpack, unpackImage } from '../../support/oci.js';
import { MemoryReapi } from '../../support/memory-reapi.js';
import { outcomesOf, RemoteScene } from '../../support/remote-scene.js';
import { skipBecause } from '../../support/skip.js';
import { Workspace } from '../../support/workspace.js';

const PIPELINE = (count: number): string => `pyflow: 1
name: faults
nodes:
  made:
    uses: command
    with: { argv: [sh, -ec, "mkdir -p lib; head -c ${count} /dev/urandom > lib/random; seq 20000 > lib/numbers"], writes: [lib/**] }
`;

describe('outputs and a remote cache', function () {
  this.timeout(60_000);

  it('are the same on a second machine, and no packed layer leaves the first', async () => {
    const server = await MemoryReapi.start();
    const scene = new RemoteScene();
    try {
      scene.pipeline(PIPELINE(10_000)).write({ 'app.py': 'source of the app\n', Procfile: 'web: true\n' });
      const args = (name: string) => [`--output=oci=${scene.root}/image-${name}`, '--refresh=all'];
      let first = await scene.on({ name: 'a', url: server.url, write: true, args: args('a') });
      // A run ends before its uploads if those take longer than the run.
      while (first.report.remote?.notUploaded !== 0)
        first = await scene.on({ name: 'a', url: server.url, write: true, args: args('a') });
      const second = await scene.on({ name: 'b', url: server.url, args: args('b').slice(0, 1) });
      expect(outcomesOf(second.report)).to.deep.equal({ made: 'restored remote' });
      expect(second.report.outputs?.[0]?.digest).to.equal(first.report.outputs?.[0]?.digest);
      const packed = readdirSync(join(scene.root, 'image-a/blobs/sha256'));
      const held = new Set([...server.blobs.keys()].map(hexOf));
      expect(held.size).to.be.greaterThan(0);
      expect(packed.filter((name) => held.has(name))).to.deep.equal([]);
    } finally {
      scene.cleanUp();
      server.stop();
    }
  });
});

describe('outputs in trouble', () => {
  it('keep the earlier image and archive if the disk is full', async function () {
    const scene = new CliScene();
    try {
      const disk = join(scene.root, 'disk');
      const kept = join(scene.root, 'kept');
      mkdirSync(disk);
      const mounts = `mount -t tmpfs -o size=400k tmpfs '${disk}'`;
      try {
        execFileSync('unshare', ['-m', 'sh', '-c', mounts], { stdio: 'pipe' });
      } catch {
        skipBecause(this, 'only root can mount a small disk');
      }
      const through = (before: string) => [
        'unshare',
        '-m',
        'sh',
        '-c',
        `${mounts} && ${before} "$@"; status=$?; rm -rf '${kept}'; cp -a '${disk}' '${kept}'; exit $status`,
        'sh',
      ];
      const args = [`--output=oci=${disk}/image`, `--output=tar=${disk}/a.tar.zst`];
      scene.pipeline(PIPELINE(100_000)).write({ 'app.py': 'one\n', Procfile: 'web: true\n' });
      const first = await scene.run({ args, through: through('') });
      expect(first.status, first.stdout).to.equal(0);
      const archive = readFileSync(join(kept, 'a.tar.zst'));
      const index = readFileSync(join(kept, 'image/index.json'));
      scene.pipeline(PIPELINE(350_000));
      const full = await scene.run({ args, through: through(`cp -a '${kept}/.' '${disk}' &&`) });
      expect(full.status, full.stdout).to.equal(75);
      expect(full.report?.failure?.code).to.equal('environment::disk-full');
      expect(full.stderr).not.to.match(STACK_TRACE);
      expect(readFileSync(join(kept, 'a.tar.zst'))).to.deep.equal(archive);
      expect(readFileSync(join(kept, 'image/index.json'))).to.deep.equal(index);
      layerTars(join(kept, 'image'), readImages(join(kept, 'image')).get('web')!);
      const names = readdirSync(kept, { recursive: true }).map(String);
      expect(names.filter((name) => /\.tmp$|pyflow-/.test(name))).to.deep.equal([]);
    } finally {
      scene.cleanUp();
    }
  });

  it('are whole if two runs with different caches write them at once', async () => {
    const works = [new Workspace(), new Workspace()];
    const shared = join(works[0]!.root, 'shared');
    mkdirSync(shared);
    try {
      const outputs = [
        { type: 'oci' as const, path: join(shared, 'image'), compression: 'zstd' as const },
        { type: 'tar' as const, path: join(shared, 'a.tar.gz'), compression: 'gzip' as const },
      ];
      for (let round = 0; round < 3; round++) {
        for (const [number, work] of works.entries())
          work.write({ 'app.py': `${round} ${number}\n` }).pipeline(PIPELINE(10_000));
        const reports = await Promise.all(works.map((work) => work.run({ outputs })));
        expect(reports.map(({ status, failure }) => failure?.code ?? status)).to.deep.equal(['succeeded', 'succeeded']);
        const slugs = works.map((work) => JSON.stringify(contentOf(work.outDir, SLUG_MARKERS)));
        const root = join(shared, `root-${round}`);
        unpackImage(join(shared, 'image'), readImages(join(shared, 'image')).get('app')!, root);
        expect(JSON.stringify(contentOf(join(root, 'app')))).to.be.oneOf(slugs);
        const folder = join(shared, `tar-${round}`);
        unpack(decompressed(readFileSync(join(shared, 'a.tar.gz')), 'gzip'), folder);
        expect(JSON.stringify(contentOf(join(folder, 'app')))).to.be.oneOf(slugs);
      }
      expect(existsSync(join(shared, 'image/index.json'))).to.equal(true);
    } finally {
      for (const work of works) removeTree(work.root);
    }
  });
});
