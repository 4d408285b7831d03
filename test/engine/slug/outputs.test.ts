import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { removeTree } from '../../../src/engine/files/remove-tree.js';
import { SLUG_MARKERS } from '../../../src/engine/app/source-names.js';
import type { OutputRequest } from '../../../src/engine/request.js';
import {
  blobPath,
  contentOf,
  decompressed,
  layerTars,
  readImages,
  sha256,
  unpack,
  unpackImage,
  writeBase,
} from '../../support/oci.js';
import { Refused, Workspace } from '../../support/workspace.js';

const DEEP = Array.from({ length: 12 }, (_, depth) => `folder-number-${depth}-with-a-long-name`).join('/');
const PIPELINE = `pyflow: 1
name: outputs
nodes:
  runtime:
    uses: command
    with: { argv: [sh, -ec, "mkdir -p lib/${DEEP}; seq 40000 > lib/numbers; echo deep > lib/${DEEP}/file; echo bin > lib/run; chmod 750 lib/run; ln -s numbers lib/link; mkdir lib/empty; chmod 700 lib/empty; echo junk > lib/junk.map; echo gone > lib/later"], writes: [lib/**] }
  build:
    uses: command
    after: [runtime]
    with: { argv: [sh, -ec, "mkdir -p out; tr a-z A-Z < words.txt > out/upper.txt"], reads: [words.txt], writes: [out/**] }
  hook: { uses: hook, with: { script: bin/post_compile }, after: [build] }
`;
const MANY = (count: number): string =>
  `pyflow: 1\nname: many\nnodes:\n${Array.from({ length: count }, (_, at) => `  n${at}: { uses: command, with: { argv: [sh, -ec, "mkdir o${at}; echo ${at} > o${at}/f"], writes: [o${at}/**] } }\n`).join('')}`;

describe('engine/slug/outputs', () => {
  let workspace: Workspace;
  let image: string;
  beforeEach(() => {
    workspace = new Workspace()
      .write({
        'words.txt': 'one\n',
        'naïve – ☃.txt': 'unicode\n',
        'secret.txt': 'left out\n',
        'old.txt': 'removed by the hook\n',
        Procfile: 'worker: sleep 1\nweb: python -m http.server $PORT\n',
        '.profile.d/b.sh': 'export B=$A-b\n',
        '.profile.d/a.sh': 'export A=a\n',
        '.slugignore': 'secret.txt\n*.map\n',
        'bin/post_compile': '#!/bin/sh\nset -e\nrm old.txt lib/later\necho more >> words.txt\n',
      })
      .link('to-words', 'words.txt')
      .pipeline(PIPELINE);
    chmodSync(join(workspace.appDir, 'bin/post_compile'), 0o755);
    chmodSync(join(workspace.appDir, 'words.txt'), 0o640);
    image = join(workspace.root, 'image');
  });
  afterEach(() => void removeTree(workspace.root));

  const oci = (more: object = {}): OutputRequest => ({ type: 'oci', path: image, compression: 'zstd', ...more });
  const tar = (name: string, compression: 'none' | 'gzip' | 'zstd'): OutputRequest => ({
    type: 'tar',
    path: join(workspace.root, name),
    compression,
  });
  const slug = () => contentOf(workspace.outDir, SLUG_MARKERS);
  const refusal = async (outputs: readonly OutputRequest[], force = false): Promise<string> => {
    try {
      await workspace.run({ outputs, force });
    } catch (error) {
      if (error instanceof Refused) return error.message;
      throw error;
    }
    return expect.fail('the run was not refused');
  };
  const blobs = (): readonly string[] => readdirSync(join(image, 'blobs/sha256')).sort();

  it('writes archives and images that unpack to the slug exactly', async () => {
    const forms = [
      tar('a.tar', 'none'),
      tar('a.tar.gz', 'gzip'),
      tar('a.tar.zst', 'zstd'),
      oci(),
      { ...oci({ compression: 'gzip' }), path: `${image}-gzip` },
      { type: 'dir' as const, path: join(workspace.root, 'second') },
    ];
    const report = await workspace.run({ outputs: forms });
    expect(report.status, JSON.stringify(report.failure)).to.equal('succeeded');
    const expected = slug();
    expect(expected).to.include.keys('lib/empty', 'lib/link', 'to-words', `lib/${DEEP}/file`, 'naïve – ☃.txt');
    expect(expected).not.to.have.any.keys('secret.txt', 'lib/junk.map', 'old.txt', 'lib/later');
    const plain = readFileSync(join(workspace.root, 'a.tar'));
    const archives = {
      plain,
      gzip: decompressed(readFileSync(join(workspace.root, 'a.tar.gz')), 'gzip'),
      zstd: decompressed(readFileSync(join(workspace.root, 'a.tar.zst')), 'zstd'),
    };
    for (const [name, bytes] of Object.entries(archives)) {
      const folder = join(workspace.root, 'x', name);
      unpack(bytes, folder);
      expect(contentOf(join(folder, 'app')), name).to.deep.equal(expected);
      expect(sha256(bytes), name).to.equal(sha256(plain));
    }
    for (const layout of [image, `${image}-gzip`]) {
      const [first] = readImages(layout).values();
      unpackImage(layout, first!, `${layout}-root`);
      expect(contentOf(join(`${layout}-root`, 'app')), layout).to.deep.equal(expected);
      for (const bytes of layerTars(layout, first!)) expect(bytes.includes('left out')).to.equal(false);
    }
    expect(contentOf(join(workspace.root, 'second'), SLUG_MARKERS)).to.deep.equal(expected);
    expect(report.outputs?.map(({ form, digest }) => [form, digest])).to.deep.equal([
      ['tar', `sha256:${sha256(plain)}`],
      ['tar', `sha256:${sha256(readFileSync(join(workspace.root, 'a.tar.gz')))}`],
      ['tar', `sha256:${sha256(readFileSync(join(workspace.root, 'a.tar.zst')))}`],
      ['oci', readImages(image).get('web')!.digest],
      ['oci', readImages(`${image}-gzip`).get('web')!.digest],
      ['dir', `sha256:${report.slug!.digest.slice(0, 64)}`],
    ]);
    expect(workspace.events.filter(({ type }) => type === 'output-written')).to.have.length(6);
  });

  it('makes one image for each process type, with a launcher that sources the profile scripts', async () => {
    await workspace.run({ outputs: [oci({ user: '1000:1000' })] });
    const images = readImages(image);
    expect([...images.keys()]).to.deep.equal(['web', 'worker']);
    const web = images.get('web')!.config;
    expect(web.config).to.deep.include({
      User: '1000:1000',
      Entrypoint: ['/pyflow/launch'],
      Cmd: ['bash', '-c', 'python -m http.server $PORT'],
      WorkingDir: '/app',
    });
    expect(web.config.Env).to.include.members(['HOME=/app', 'PORT=5000']);
    expect(web.created).to.equal('1980-01-02T00:00:00Z');
    expect(web.history.map(({ created_by }) => created_by)).to.deep.equal([
      'pyflow: launcher',
      'pyflow: runtime',
      'pyflow: build',
      'pyflow: hook',
      'pyflow: source',
    ]);
    unpackImage(image, images.get('web')!, `${image}-root`);
    expect(readFileSync(join(`${image}-root`, 'pyflow/launch'), 'utf8')).to.equal(
      `#!/bin/bash\npyflow_command=("$@")\n. '/app/.profile.d/a.sh'\n. '/app/.profile.d/b.sh'\nexec "\${pyflow_command[@]}"\n`,
    );
  });

  it('adds one small layer after an edit of the source, and leaves all other blobs', async () => {
    await workspace.run({ outputs: [oci()] });
    const before = new Map(blobs().map((name) => [name, statSync(join(image, 'blobs/sha256', name)).ino]));
    workspace.write({ 'naïve – ☃.txt': 'edited\n' });
    const report = await workspace.run({ outputs: [oci()] });
    const added = blobs().filter((name) => !before.has(name));
    const layers = readImages(image)
      .get('web')!
      .layers.map(({ digest }) => digest.slice(7));
    // The layer, and for both images a configuration and a manifest.
    expect(added).to.have.length(5);
    expect(layers.filter((name) => added.includes(name))).to.deep.equal([layers.at(-1)]);
    for (const [name, inode] of before) expect(statSync(join(image, 'blobs/sha256', name)).ino).to.equal(inode);
    expect(report.outputs?.[0]?.newBlobs?.count).to.equal(5);
  });

  it('gives the same digests in another folder, with another cache', async () => {
    const outputs = (root: string): readonly OutputRequest[] => [
      { type: 'oci', path: join(root, 'image'), compression: 'gzip' },
      { type: 'tar', path: join(root, 'a.tgz'), compression: 'gzip' },
      { type: 'tar', path: join(root, 'a.tar.zst'), compression: 'zstd' },
    ];
    const first = await workspace.run({ outputs: outputs(workspace.root) });
    const other = new Workspace().pipeline(PIPELINE);
    try {
      execFileSync('cp', ['-a', `${workspace.appDir}/.`, other.appDir]);
      const second = await other.run({ outputs: outputs(other.root) });
      expect(second.outputs!.map(({ digest }) => digest)).to.deep.equal(first.outputs!.map(({ digest }) => digest));
      expect(readFileSync(join(other.root, 'image/index.json'))).to.deep.equal(readFileSync(join(image, 'index.json')));
    } finally {
      removeTree(other.root);
    }
  });

  it('keeps these digests between versions of pyflow and Node', async () => {
    workspace.remove('bin').pipeline(PIPELINE.replace(/ {2}hook:.*\n/, ''));
    const report = await workspace.run({
      outputs: [tar('a.tar', 'none'), tar('a.tgz', 'gzip'), tar('a.tar.zst', 'zstd')],
    });
    expect(report.outputs!.map(({ digest }) => digest)).to.deep.equal([
      'sha256:0c29c43f50413349fb629b1b09e2bf7eac0da10eb066989d48893edb5b8dbde4',
      'sha256:cd45bc1fc5748f3877080917fd37f9b2f4e8690be9c3fdf47ae0e758178218e4',
      'sha256:2a8cfa8a02677631dcac9c0f4a7f70aec7a346d0eee5e41a784a9f8333d2e678',
    ]);
  });

  it('takes the time of the source from SOURCE_DATE_EPOCH, and leaves the other layers as they are', async () => {
    await workspace.run({ outputs: [oci()] });
    const before = readImages(image).get('web')!;
    await workspace.run({ outputs: [oci()], sourceTimeS: 1_700_000_000 });
    const after = readImages(image).get('web')!;
    expect(after.config.created).to.equal('2023-11-14T22:13:20Z');
    expect(after.layers.slice(0, -1)).to.deep.equal(before.layers.slice(0, -1));
    expect(after.layers.at(-1)).not.to.deep.equal(before.layers.at(-1));
  });

  describe('a later run', () => {
    const outputs = () => [
      oci(),
      tar('a.tar.zst', 'zstd'),
      { type: 'dir' as const, path: join(workspace.root, 'second') },
    ];
    beforeEach(async () => {
      workspace.remove('bin').pipeline(PIPELINE.replace(/ {2}hook:.*\n/, ''));
      await workspace.run({ outputs: outputs() });
    });

    it('does nothing if all outputs are there', async () => {
      const report = await workspace.fastRun({ outputs: outputs() });
      expect(report?.outputs?.map(({ form, durationMs }) => [form, durationMs])).to.deep.equal([
        ['oci', undefined],
        ['tar', undefined],
        ['dir', undefined],
      ]);
      const again = await workspace.run({ outputs: outputs() });
      expect(again.outputs?.every(({ durationMs }) => durationMs === undefined)).to.equal(true);
      expect(workspace.events.filter(({ type }) => type === 'output-written')).to.deep.equal([]);
    });

    it('writes what is missing, damaged or asked for anew', async () => {
      const expected = sha256(readFileSync(join(workspace.root, 'a.tar.zst')));
      const layer = readImages(image).get('web')!.layers[1]!.digest;
      const damages: readonly (() => void)[] = [
        () => rmSync(blobPath(image, layer)),
        () => appendFileSync(blobPath(image, layer), 'x'),
        () => {
          const bytes = readFileSync(blobPath(image, layer));
          bytes[20]! ^= 1;
          writeFileSync(blobPath(image, layer), bytes);
        },
        () => rmSync(join(image, 'index.json')),
        () => writeFileSync(join(image, 'oci-layout'), '{}'),
        () => rmSync(join(workspace.root, 'a.tar.zst')),
        () => appendFileSync(join(workspace.root, 'a.tar.zst'), 'x'),
        () => rmSync(join(workspace.root, 'second/words.txt')),
      ];
      for (const [number, damage] of damages.entries()) {
        damage();
        expect(await workspace.fastRun({ outputs: outputs() }), `damage ${number}`).to.equal(undefined);
        const report = await workspace.run({ outputs: outputs() });
        expect(report.status, `damage ${number}`).to.equal('succeeded');
        const [, image0] = [...readImages(image)][0]!;
        layerTars(image, image0);
        expect(sha256(readFileSync(join(workspace.root, 'a.tar.zst'))), `damage ${number}`).to.equal(expected);
        expect(existsSync(join(workspace.root, 'second/words.txt'))).to.equal(true);
      }
      expect(await workspace.fastRun({ outputs: [oci({ compression: 'gzip' })] })).to.equal(undefined);
    });

    it('packs a layer again if the cache has lost it', async () => {
      const { digest } = (await workspace.run({ outputs: outputs() })).outputs![1]!;
      for (const name of ['cas', 'packs', 'ac']) rmSync(join(workspace.cacheDir, name), { recursive: true });
      rmSync(image, { recursive: true });
      rmSync(join(workspace.root, 'a.tar.zst'));
      const report = await workspace.run({ outputs: outputs() });
      expect(report.outputs![1]!.digest).to.equal(digest);
      layerTars(image, readImages(image).get('web')!);
    });
  });

  it('keeps images and blobs of others, and removes its own images that are gone', async () => {
    writeBase(image, { files: { 'etc/x': 'x' }, name: 'debian' });
    const foreign = blobs();
    expect(await refusal([oci()])).to.contain('output::not-ours');
    await workspace.run({ outputs: [oci()], force: true });
    expect([...readImages(image).keys()]).to.deep.equal(['web', 'worker', 'debian']);
    workspace.write({ Procfile: 'web: true\n' });
    await workspace.run({ outputs: [oci()] });
    expect([...readImages(image).keys()]).to.deep.equal(['web', 'debian']);
    expect(blobs()).to.include.members([...foreign]);
  });

  it('removes what killed runs left long ago, and nothing else', async () => {
    const tar0 = tar('a.tar', 'none');
    await workspace.run({ outputs: [oci(), tar0] });
    const old = [
      `image/blobs/sha256/.${'a'.repeat(16)}.tmp`,
      `image/.index.json.${'b'.repeat(16)}.tmp`,
      `.a.tar.pyflow-${'c'.repeat(12)}`,
    ];
    const kept = [`image/blobs/sha256/.${'d'.repeat(16)}.tmp`, 'image/.mine.tmp', `.a.tar.pyflow-${'e'.repeat(12)}`];
    for (const path of [...old, ...kept]) writeFileSync(join(workspace.root, path), '');
    for (const path of [...old, 'image/.mine.tmp']) utimesSync(join(workspace.root, path), 1, 1);
    workspace.write({ 'words.txt': 'new\n' });
    await workspace.run({ outputs: [oci(), tar0] });
    expect(old.filter((path) => existsSync(join(workspace.root, path)))).to.deep.equal([]);
    expect(kept.filter((path) => !existsSync(join(workspace.root, path)))).to.deep.equal([]);
  });

  it('refuses other folders and unsafe places', async () => {
    mkdirSync(image);
    writeFileSync(join(image, 'notes.txt'), 'mine');
    expect(await refusal([oci()])).to.contain('output::not-ours');
    expect(await refusal([{ type: 'dir', path: image }])).to.contain('slug::not-ours');
    expect(await refusal([{ type: 'tar', path: image, compression: 'none' }], true)).to.contain('output::unsafe-path');
    const places = [
      workspace.appDir,
      workspace.root,
      '/',
      workspace.outDir,
      join(workspace.outDir, 'x'),
      join(workspace.cacheDir, 'x'),
    ];
    for (const path of places) {
      expect(await refusal([oci({ path })], true), path).to.contain('output::unsafe-path');
    }
    expect(await refusal([oci({ path: `${image}2` }), tar('image2', 'none')])).to.contain('output::unsafe-path');
    symlinkSync('/tmp', join(workspace.appDir, 'away'));
    expect(await refusal([oci({ path: join(workspace.appDir, 'away/image') })])).to.contain('output::unsafe-path');
    await workspace.run({ outputs: [oci()], force: true });
    expect(readFileSync(join(image, 'notes.txt'), 'utf8')).to.equal('mine');
  });

  it('follows no link that is planted in a layout', async () => {
    await workspace.run({ outputs: [oci()] });
    const outside = join(workspace.root, 'outside');
    mkdirSync(outside);
    for (const planted of ['blobs/sha256', 'blobs']) {
      rmSync(join(image, planted), { recursive: true });
      symlinkSync(outside, join(image, planted));
      const { failure } = await workspace.run({ outputs: [oci()] });
      expect(failure?.code, planted).to.equal('app::unsafe-file');
      expect(readdirSync(outside)).to.deep.equal([]);
      rmSync(join(image, planted));
    }
    writeFileSync(join(workspace.root, 'victim'), 'untouched');
    rmSync(join(image, 'oci-layout'));
    symlinkSync(join(workspace.root, 'victim'), join(image, 'oci-layout'));
    await workspace.run({ outputs: [oci()] });
    expect(readFileSync(join(workspace.root, 'victim'), 'utf8')).to.equal('untouched');
  });

  it('leaves outputs inside the app out of the app', async () => {
    const outputs: readonly OutputRequest[] = [
      { ...oci(), path: join(workspace.appDir, 'image') } as OutputRequest,
      { type: 'tar', path: join(workspace.appDir, 'app.tar'), compression: 'none' },
    ];
    const first = await workspace.run({ outputs });
    const second = await workspace.run({ outputs });
    expect(second.slug!.digest).to.equal(first.slug!.digest);
    expect(second.outputs!.map(({ digest }) => digest)).to.deep.equal(first.outputs!.map(({ digest }) => digest));
  });

  it('refuses a file that images would take for a deletion, and still writes the slug', async () => {
    workspace.write({ 'docs/.wh.words.txt': '' });
    const report = await workspace.run({ outputs: [oci()] });
    expect(report.failure?.code).to.equal('output::reserved-name');
    expect(report.exitCode).to.equal(1);
    expect(existsSync(join(workspace.outDir, 'docs/.wh.words.txt'))).to.equal(true);
    expect(existsSync(join(image, 'index.json'))).to.equal(false);
  });

  it('writes no image for each of a thousand process types', async () => {
    workspace.write({ Procfile: Array.from({ length: 1000 }, (_, at) => `p${at}: true\n`).join('') });
    const { failure } = await workspace.run({ outputs: [oci()] });
    expect(failure?.code).to.equal('output::too-many-processes');
  });

  it('has the same outputs if the slug is written to the folder of the app, which keeps what the build removes', async () => {
    const elsewhere = await workspace.run({ outputs: [tar('a.tar', 'none'), oci()] });
    const outputs = [tar('b.tar', 'none'), { ...oci(), path: `${image}2` } as OutputRequest];
    const inPlace = await workspace.run({ outDir: workspace.appDir, outputs });
    expect(existsSync(join(workspace.appDir, 'old.txt'))).to.equal(true);
    const digests = (report: typeof inPlace) => report.outputs?.map(({ digest }) => digest);
    expect(digests(inPlace), JSON.stringify(inPlace.failure)).to.deep.equal(digests(elsewhere));
  });

  it('leaves the earlier layout if it is interrupted', async () => {
    await workspace.run({ outputs: [oci()] });
    const before = readFileSync(join(image, 'index.json'));
    workspace.write({ 'words.txt': 'two\n' });
    const controller = new AbortController();
    const sink = workspace.sink.emit.bind(workspace.sink);
    Object.assign(workspace.sink, {
      emit: (event: Parameters<typeof sink>[0]) => {
        sink(event);
        if (event.type === 'slug-written') controller.abort();
      },
    });
    const report = await workspace.run({ outputs: [oci()], signal: controller.signal });
    expect(report.status).to.equal('aborted');
    expect(readFileSync(join(image, 'index.json'))).to.deep.equal(before);
    layerTars(image, readImages(image).get('web')!);
  });

  it('merges small layers if there are too many for an image', async () => {
    workspace.remove('bin', 'old.txt').pipeline(MANY(130));
    await workspace.run({ outputs: [oci()] });
    const web = readImages(image).get('web')!;
    expect(web.layers).to.have.length(127);
    unpackImage(image, web, `${image}-root`);
    expect(contentOf(join(`${image}-root`, 'app'))).to.deep.equal(slug());
  });

  describe('with a base image', () => {
    const base = () => ({ base: { layout: join(workspace.root, 'base') } });
    const files = { 'etc/os-release': 'ID=base\n', 'app/stale.txt': 'hidden\n' };

    it('stacks the app on its layers, and hides its /app', async () => {
      const config = { Env: ['PATH=/opt/bin', 'HOME=/root', 'LANG=de'], User: 'dyno', Labels: { a: 'b' }, Cmd: ['x'] };
      writeBase(base().base.layout, { files, config });
      await workspace.run({ outputs: [oci(base())] });
      const web = readImages(image).get('web')!;
      expect(web.config.config).to.deep.include({ User: 'dyno', Cmd: ['bash', '-c', 'python -m http.server $PORT'] });
      expect(web.config.config.Env).to.deep.equal(['PATH=/opt/bin', 'HOME=/app', 'LANG=de', 'PORT=5000']);
      expect(web.config.config['Labels']).to.include({ a: 'b' });
      expect(web.config.history[0]).to.deep.equal({ created_by: 'the base' });
      const [below, launcher] = layerTars(image, web);
      const names = (bytes: Buffer) =>
        execFileSync('tar', ['-tf', '-'], { input: bytes, encoding: 'utf8' }).split('\n');
      expect(names(below!)).to.include('./app/stale.txt');
      expect(names(launcher!)).to.include('app/.wh..wh..opq');
      expect(await workspace.fastRun({ outputs: [oci(base())] })).to.equal(undefined, 'its hook runs in each build');
    });

    it('is out of date when the base changes', async () => {
      workspace.remove('bin').pipeline(PIPELINE.replace(/ {2}hook:.*\n/, ''));
      writeBase(base().base.layout, { files });
      await workspace.run({ outputs: [oci(base())] });
      expect(await workspace.fastRun({ outputs: [oci(base())] })).not.to.equal(undefined);
      writeBase(base().base.layout, { files: { 'etc/os-release': 'ID=newer\n' } });
      expect(await workspace.fastRun({ outputs: [oci(base())] })).to.equal(undefined);
    });

    it('finds an image by name, and names those that there are', async () => {
      writeBase(base().base.layout, { files, name: '12' });
      const named = (ref: string) => oci({ base: { ...base().base, ref } });
      const found = await workspace.run({ outputs: [named('12')] });
      expect(found.status, JSON.stringify(found.failure)).to.equal('succeeded');
      const { failure } = await workspace.run({ outputs: [named('13')] });
      expect(failure?.code).to.equal('output::base-unusable');
      expect(failure?.detail).to.equal('It has no image 13. Its images: 12.');
    });

    it('refuses what is not an image for this machine, or does not match its digests', async () => {
      const { layout } = base().base;
      const failureOf = async (): Promise<string> => {
        const { failure } = await workspace.run({ outputs: [oci(base())] });
        expect(failure?.code).to.equal('output::base-unusable');
        return failure!.detail;
      };
      expect(await failureOf()).to.match(/index\.json/);
      writeBase(layout, { files, architecture: 's390x' });
      expect(await failureOf()).to.match(/for linux\/s390x/);
      writeBase(layout, { files });
      const { digest } = readImages(layout).values().next().value!.layers[0]!;
      const bytes = readFileSync(blobPath(layout, digest));
      bytes[30]! ^= 1;
      writeFileSync(blobPath(layout, digest), bytes);
      expect(await failureOf()).to.match(/don't match/);
      const texts = [
        '[]',
        '{',
        '{"manifests":1}',
        '{"manifests":[null]}',
        '{"manifests":[{"digest":"sha256:../../x"}]}',
      ];
      for (const text of texts) {
        writeFileSync(join(layout, 'index.json'), text);
        await failureOf();
      }
      expect(existsSync(join(image, 'index.json'))).to.equal(false);
    });
  });
});
