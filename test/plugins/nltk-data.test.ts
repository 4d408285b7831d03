// The decisions of the kind and its failures, with the Python of this machine and a stand-in for NLTK in the root. NLTK itself
// is in test/online.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { NltkData } from '../../src/plugins/nltk-data/plugin.js';
import type { Host } from '../../src/engine/sdk.js';
import { PluginScene, type SceneOptions } from '../support/plugin-scene.js';

const DOWNLOADER = `
import pathlib, sys
folder = pathlib.Path(sys.argv[1].removeprefix('--dir='))
folder.mkdir(parents=True)
(folder / 'words.txt').write_text(' '.join(sys.argv[1:]))
`;
import { skipBecause } from '../support/skip.js';
const WITH_NLTK = {
  '.scalingo/python/lib/python3.13/site-packages/README.txt': '',
  'nltk/__init__.py': '',
  'nltk/downloader.py': DOWNLOADER,
};

describe('plugins/nltk-data', () => {
  let scene: PluginScene;
  const open = (options: SceneOptions = {}, settings: Readonly<Record<string, string>> = {}): NltkData => {
    scene = new PluginScene(options);
    mkdirSync(join(scene.appDir, '.scalingo/python/bin'), { recursive: true });
    symlinkSync('/usr/bin/python3', join(scene.appDir, '.scalingo/python/bin/python'));
    return new NltkData({ ...scene, host: { setting: (name) => settings[name] } as Host });
  };
  const play = (kind: NltkData, root = '.') => scene.play(kind, { root, vendorDir: '.scalingo' }, { tree: '' });
  const ranWell = async (kind: NltkData, root?: string) => {
    const { reads, result } = await play(kind, root);
    if (!result.ok) throw new Error(result.failure.detail);
    return { reads, ...result.value };
  };
  const texts = (): readonly string[] => scene.printed.map(({ type, text }) => `${type} ${text}`);
  before(function () {
    if (existsSync('/usr/bin/python3')) return;
    return skipBecause(this, 'needs /usr/bin/python3');
  });
  afterEach(() => scene.close());

  it('[nltk.not-installed] does nothing without NLTK, even with an nltk.txt', async () => {
    const { reads, outputs } = await ranWell(open({ files: { 'nltk.txt': 'words\n' } }));
    expect(reads).to.deep.equal({ facts: {}, pure: true });
    expect([outputs, scene.printed, scene.started]).to.deep.equal([{}, [], []]);
  });

  it('[nltk.step] [nltk.no-file] reports a missing list, and downloads nothing', async () => {
    const { reads, outputs } = await ranWell(open({ files: WITH_NLTK }));
    expect(reads).to.deep.equal({ facts: { status: 'skipped-no-nltk-file' }, pure: true });
    expect(outputs).to.deep.equal({ status: 'skipped-no-nltk-file' });
    expect(texts()).to.deep.equal([
      'step Downloading NLTK data',
      'info nltk.txt not found, so no corpora are downloaded',
    ]);
  });

  it('[nltk.step] [nltk.packages-step] [nltk.download] passes the lines of nltk.txt to the downloader', async () => {
    const kind = open({ files: { ...WITH_NLTK, 'nltk.txt': 'words\r\n\n  stopwords \n# later\n' } });
    const { reads, outputs } = await ranWell(kind);
    expect(outputs).to.deep.equal({ status: 'enabled' });
    expect(texts()).to.deep.equal(['step Downloading NLTK data', 'step Downloading NLTK packages: words stopwords']);
    const folder = `${scene.appDir}/.scalingo/python/nltk_data`;
    expect(scene.started[0]).to.deep.include({
      argv: [
        `${scene.appDir}/.scalingo/python/bin/python`,
        '-m',
        'nltk.downloader',
        `--dir=${folder}`,
        'words',
        'stopwords',
      ],
      network: true,
    });
    expect(scene.read('.scalingo/python/nltk_data/words.txt')).to.contain('words stopwords');
    // The list is a fact, because the node sees the dependencies but not the source.
    expect(reads).to.deep.equal({
      facts: { status: 'enabled', packages: ['words', 'stopwords'], mode: 'build' },
      env: [],
      scope: 'app',
    });
  });

  it('[nltk.download] runs with the variables of the app that a download can depend on, except the denied ones', async () => {
    const appEnv = {
      TOKEN: 't',
      LANG: 'fr_FR.UTF-8',
      LD_LIBRARY_PATH: '/evil',
      PYTHONHOME: '/evil',
      https_proxy: 'p',
      NLTK_X: 'x',
    };
    const { reads } = await ranWell(open({ files: { ...WITH_NLTK, 'nltk.txt': 'words' }, appEnv }));
    expect(reads.env).to.deep.equal(['NLTK_X', 'https_proxy']);
    const env = scene.started[0]?.env ?? {};
    expect(env).to.include({ NLTK_X: 'x', https_proxy: 'p', LANG: 'en_US.UTF-8' });
    expect(env['LD_LIBRARY_PATH']).to.equal(`${scene.appDir}/.scalingo/python/lib`);
    expect(env).to.not.have.any.keys('TOKEN', 'PYTHONHOME');
    expect(readdirSync(join(scene.root, 'scratch/env'))).to.deep.equal(['NLTK_X', 'https_proxy']);
  });

  it('[nltk.env] tells the app at boot where the data is', async () => {
    await ranWell(open({ files: { ...WITH_NLTK, 'nltk.txt': 'words' } }));
    const script = `. "$1/.profile.d/python.nltk.sh"; printf %s "$NLTK_DATA"`;
    const env = { HOME: '/somewhere', PATH: '/usr/bin:/bin', NLTK_DATA: '/old' };
    const args = ['-euc', script, 'boot', scene.appDir];
    expect(execFileSync('sh', args, { env, encoding: 'utf8' })).to.equal('/somewhere/.scalingo/python/nltk_data');
  });

  it('writes no script, and starts nothing, for an empty list', async () => {
    expect((await ranWell(open({ files: { ...WITH_NLTK, 'nltk.txt': '\n# none\n' } }))).outputs).to.deep.equal({
      status: 'enabled',
    });
    expect([scene.started, scene.has('.profile.d')]).to.deep.equal([[], false]);
  });

  it('reads the list from the root, and uses the index of the operator', async () => {
    const files = { 'nltk.txt': 'no', 'web/nltk.txt': 'words' };
    const installed = '.scalingo/python/lib/python3.13/site-packages/nltk/__init__.py';
    const index = 'https://user:secret@mirror.test/index.xml';
    const kind = open({ files: { ...WITH_NLTK, ...files, [installed]: '' } }, { NLTK_INDEX: index });
    const { reads } = await ranWell(kind, 'web');
    expect(reads.facts).to.include({ index: 'https://mirror.test/index.xml' });
    expect(scene.started[0]?.argv.slice(-2)).to.deep.equal([`--url=${index}`, 'words']);
  });

  const ending = (script: string) =>
    open({ files: { ...WITH_NLTK, 'nltk/downloader.py': script, 'nltk.txt': 'words\nnone-such\n' } });

  /** The output of NLTK before a question that gets no answer. */
  const dying = (...lines: readonly string[]): string =>
    `${lines.map((line) => `print(${JSON.stringify(`[nltk_data] ${line}`)}, flush=True)`).join('\n')}\ninput()`;

  it('[nltk.failed] fails if the downloader fails', async () => {
    const { result } = await play(
      ending(dying("Error loading none-such: Package 'none-such' not found in", '    index')),
    );
    if (result.ok) throw new Error('expected a failure');
    expect(result.failure).to.include({ code: 'nltk-downloader', blame: 'app' });
    expect(result.failure.detail).to.equal(
      "Requested: words, none-such\nError loading none-such: Package 'none-such' not found in index",
    );
    expect(scene.has('.profile.d')).to.equal(false);
  });

  it('[nltk.failed] shows the end of the log if NLTK crashes', async () => {
    const { result } = await play(ending('raise SystemExit("cannot parse the index")'));
    if (result.ok) throw new Error('expected a failure');
    expect(result.failure).to.include({ code: 'nltk-downloader', blame: 'app' });
    expect(result.failure.detail).to.equal('Requested: words, none-such\ncannot parse the index');
  });

  for (const [what, script] of [
    ['a refused connection', dying('Error loading words: <urlopen error [Errno 111] Connection', '    refused>')],
    ['a server in trouble', dying('Error loading words: HTTP Error 503: busy')],
    ['an exception', 'raise ConnectionResetError("Connection reset by peer")'],
  ] as const) {
    it(`[nltk.failed] blames the environment for network problems: ${what}`, async () => {
      const { result } = await play(ending(script));
      if (result.ok) throw new Error('expected a failure');
      expect(result.failure).to.include({ code: 'nltk-downloader', blame: 'environment', retryable: true });
    });
  }
});
