import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../src/engine/files/folder.js';
import type { RunContext } from '../../../../src/engine/sdk.js';
import { changedFiles, takeSnapshot } from '../../../../src/plugins/shared/app/changes.js';
import { normalizePackages } from '../../../../src/plugins/shared/install/package-layer.js';

const { signal } = new AbortController();
const SITE = 'lib/python3.12/site-packages';

describe('plugins/shared/install/package-layer', () => {
  let root: string;
  let appDir: string;
  let home: string;
  const put = (path: string, text: string, base = home): void => {
    mkdirSync(dirname(join(base, path)), { recursive: true });
    writeFileSync(join(base, path), text);
  };
  const read = (path: string): string => readFileSync(join(home, path), 'utf8');
  /** In a sandbox commands see the app at /app, otherwise at its real path. */
  const contextSeeing = (app: string): RunContext =>
    ({
      appDir,
      scratchDir: join(root, 'scratch'),
      cacheDir: join(root, 'cache'),
      paths: { app, scratch: join(root, 'scratch'), cache: join(root, 'cache'), tools: {} },
      toolDirs: {},
      signal,
    }) as unknown as RunContext;
  const normalize = async (app = appDir): Promise<readonly string[]> => {
    const layer = await normalizePackages(
      contextSeeing(app),
      new Folder(appDir),
      { home: '.scalingo/python', minor: '3.12' },
      new Map(),
    );
    return layer.files;
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow layer-'));
    appDir = join(root, 'app');
    home = join(appDir, '.scalingo/python');
    mkdirSync(home, { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('lists the files that were written since a snapshot', async () => {
    put('kept', 'a');
    put('changed', 'a');
    const before = await takeSnapshot(new Folder(appDir), '.scalingo/python', signal);
    put('changed', 'bb');
    put('new/file', '');
    expect(changedFiles(before, await takeSnapshot(new Folder(appDir), '.scalingo/python', signal))).to.deep.equal([
      'changed',
      'new/file',
    ]);
  });

  it('makes launchers relocatable and updates only their lines in RECORD', async () => {
    put('bin/tool', `#!${home}/bin/python\nprint()\n`);
    chmodSync(join(home, 'bin/tool'), 0o755);
    put('bin/binary', 'not a script');
    put(
      `${SITE}/tool-1.dist-info/RECORD`,
      '../../../bin/binary,sha256=kept,1\r\n../../../bin/tool,sha256=stale,2\r\ntool.py,sha256=kept,3\r\n',
    );
    await normalize();
    expect(read('bin/tool')).to.match(/^#!\/bin\/sh\n/);
    expect(lstatSync(join(home, 'bin/tool')).mode & 0o777).to.equal(0o755);
    const bytes = readFileSync(join(home, 'bin/tool'));
    const digest = createHash('sha256').update(bytes).digest('base64url');
    expect(read(`${SITE}/tool-1.dist-info/RECORD`)).to.equal(
      `../../../bin/binary,sha256=kept,1\r\n../../../bin/tool,sha256=${digest},${bytes.length}\r\ntool.py,sha256=kept,3\r\n`,
    );
  });

  it('writes the same launcher in a sandbox and without one', async () => {
    put('bin/tool', `#!${home}/bin/python\nprint()\n`);
    await normalize();
    const plain = read('bin/tool');
    put('bin/tool', '#!/app/.scalingo/python/bin/python\nprint()\n');
    await normalize('/app');
    expect(read('bin/tool')).to.equal(plain);
  });

  it('[editable.build-rewrite] makes .pth lines inside the app relative, and keeps others', async () => {
    const lines = (app: string): string => `${app}/src/lib\n${app}\nimport finder; finder.install()\n/usr/share/x\n`;
    put(`${SITE}/__editable__.lib.pth`, lines(appDir));
    await normalize();
    const plain = read(`${SITE}/__editable__.lib.pth`);
    expect(plain).to.equal('../../../../../src/lib\n../../../../..\nimport finder; finder.install()\n/usr/share/x\n');
    put(`${SITE}/__editable__.lib.pth`, lines('/app'));
    await normalize('/app');
    expect(read(`${SITE}/__editable__.lib.pth`)).to.equal(plain);
  });

  it('does not mistake a folder with a longer name for the app', async () => {
    put(`${SITE}/x.pth`, `${appDir}lication/src\n`);
    await normalize();
    expect(read(`${SITE}/x.pth`)).to.equal(`${appDir}lication/src\n`);
  });

  it('[editable.build-rewrite] replaces private paths with /app in the files of installers, also in URLs', async () => {
    put(`${SITE}/lib-1.dist-info/direct_url.json`, JSON.stringify({ url: `file://${encodeURI(appDir)}/lib` }));
    put(`${SITE}/__editable___lib_finder.py`, `MAPPING = {'lib': '${appDir}/lib'}\n`);
    put(`${SITE}/other.py`, `HERE = '${appDir}'\n`);
    await normalize();
    expect(read(`${SITE}/lib-1.dist-info/direct_url.json`)).to.equal('{"url":"file:///app/lib"}');
    expect(read(`${SITE}/__editable___lib_finder.py`)).to.match(/^MAPPING = \{'lib': '\/app\/lib'\}\n/);
    expect(read(`${SITE}/other.py`), 'ordinary files are not touched').to.contain(appDir);
  });

  it('recognizes private paths that Python quoted for URLs', async () => {
    appDir = join(root, "it's, (all) good");
    home = join(appDir, '.scalingo/python');
    const quoted = encodeURI(appDir).replace(/[,'()]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
    put(`${SITE}/lib-1.dist-info/direct_url.json`, `{"url": "file://${quoted}/lib"}`);
    await normalize();
    expect(read(`${SITE}/lib-1.dist-info/direct_url.json`)).to.equal('{"url": "file:///app/lib"}');
  });

  it('writes the same RECORD in a sandbox and without one, even if it had absolute paths or empty columns', async () => {
    const normalizedWith = async (app: string): Promise<string> => {
      const site = `${app}/.scalingo/python/${SITE}`;
      put('bin/demo', `#!${app}/.scalingo/python/bin/python\nprint()\n`);
      put(`${SITE}/demo.pth`, `${app}/src\n`);
      put(`${SITE}/demo-1.dist-info/direct_url.json`, `{"url": "file://${encodeURI(app)}"}`);
      put(
        `${SITE}/demo-1.dist-info/RECORD`,
        [
          `${site}/demo.pth,sha256=stale,1\r\n`,
          `${site}/../../../bin/demo,sha256=stale,1\r\n`,
          `"${site}/demo-1.dist-info/a,b",sha256=kept,1\r\n`,
          'demo-1.dist-info/direct_url.json,,\r\n',
          `${site}/demo-1.dist-info/RECORD,,\r\n`,
        ].join(''),
      );
      await normalize(app);
      return read(`${SITE}/demo-1.dist-info/RECORD`);
    };
    const record = await normalizedWith(appDir);
    expect(record.split('\r\n').map((line) => line.replace(/sha256=[\w-]{43},\d+$/, 'COLUMNS'))).to.deep.equal([
      'demo.pth,COLUMNS',
      '../../../bin/demo,COLUMNS',
      '"demo-1.dist-info/a,b",sha256=kept,1',
      'demo-1.dist-info/direct_url.json,COLUMNS',
      'demo-1.dist-info/RECORD,,',
      '',
    ]);
    expect(await normalizedWith('/app')).to.equal(record);
  });

  it('keeps bytes that are not UTF-8', async () => {
    const body = Buffer.concat([Buffer.from(`#!${home}/bin/python\n# `), Buffer.from([0xe9, 0xff, 0x0a])]);
    mkdirSync(join(home, 'bin'));
    writeFileSync(join(home, 'bin/tool'), body);
    await normalize();
    expect(readFileSync(join(home, 'bin/tool')).subarray(-3)).to.deep.equal(Buffer.from([0xe9, 0xff, 0x0a]));
  });

  it('removes the history of editable checkouts and keeps the sources', async () => {
    put('src/lib/.git/index', 'times');
    put('src/lib/lib.py', '');
    expect(await normalize()).to.deep.equal(['src/lib/lib.py']);
    expect(existsSync(join(home, 'src/lib/.git'))).to.equal(false);
  });
});
