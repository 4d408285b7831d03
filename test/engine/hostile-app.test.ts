import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Interruption } from '../../src/cli/world.js';
import { CliScene, contentOf, STACK_TRACE } from '../support/cli-scene.js';
import { verdictOf } from '../support/verdict.js';
import { Workspace } from '../support/workspace.js';
import { skipBecause } from '../support/skip.js';

/** Reads the whole app and prints what it found. */
const LOOK = `
pyflow: 1
name: look
nodes:
  look: { uses: command, with: { argv: [sh, -c, "find . -mindepth 1 | wc -l > seen"], reads: ["**"], writes: [seen] } }
`;

describe('hostile apps', () => {
  let work: Workspace;
  beforeEach(() => {
    work = new Workspace().pipeline(LOOK);
  });
  afterEach(() => {
    execFileSync('chmod', ['-R', 'u+rwX', work.root]);
    work.cleanUp();
  });
  const app = (path: string): string => join(work.appDir, path);
  const slug = (path: string): string => join(work.outDir, path);

  /** Checks that the slug is exactly the app and what the node wrote. */
  async function expectFaithful(): Promise<void> {
    const { exit, code } = await verdictOf(work);
    expect({ exit, code }).to.deep.equal({ exit: 0, code: undefined });
    const { seen, ...rest } = contentOf(work.outDir);
    expect(seen).to.be.a('string');
    expect(rest).to.deep.equal(contentOf(work.appDir));
  }

  describe('the folder', () => {
    it('rejects a missing folder, and names it', async () => {
      rmSync(work.appDir, { recursive: true });
      expect(await verdictOf(work)).to.deep.equal({ exit: 2, code: 'app::unreadable' });
      expect(existsSync(work.outDir)).to.equal(false);
    });

    it('rejects a file', async () => {
      rmSync(work.appDir, { recursive: true });
      writeFileSync(work.appDir, 'no folder');
      expect(await verdictOf(work)).to.deep.equal({ exit: 2, code: 'app::unreadable' });
    });

    it('builds an empty folder', () => expectFaithful());

    it('builds a folder that is reached through a symbolic link', async () => {
      work.write({ 'app.py': 'x' });
      renameSync(work.appDir, join(work.root, 'real'));
      symlinkSync('real', work.appDir);
      await expectFaithful();
    });
  });

  describe('entries', () => {
    it('keeps symbolic links unchanged: loops, broken links, links to outside', async () => {
      work.write({ 'dir/file': 'x' });
      for (const [path, target] of Object.entries({
        a: 'b',
        b: 'a',
        self: 'self',
        here: '.',
        above: '..',
        'dir/up': '../dir',
        dangling: 'nowhere/at all',
        absolute: '/etc/hostname',
      })) {
        symlinkSync(target, app(path));
      }
      await expectFaithful();
      expect(readlinkSync(slug('absolute'))).to.equal('/etc/hostname');
    });

    it('rejects a named pipe, without waiting for a writer', async () => {
      execFileSync('mkfifo', [app('pipe')]);
      expect(await verdictOf(work)).to.deep.equal({ exit: 1, code: 'app::unsupported-file' });
    });

    it('rejects a socket', async () => {
      const server = createServer();
      await new Promise<void>((listening) => server.listen(app('s'), listening));
      const verdict = await verdictOf(work);
      await new Promise((closed) => server.close(closed));
      expect(verdict).to.deep.equal({ exit: 1, code: 'app::unsupported-file' });
    });

    it('accepts what it would reject if .slugignore leaves it out', async () => {
      execFileSync('mkfifo', [app('pipe')]);
      work.write({ '.slugignore': 'pipe\nbad\n', 'bad/x': 'x' });
      writeFileSync(Buffer.concat([Buffer.from(app('bad/')), Buffer.from([0xff])]), 'x');
      expect(await verdictOf(work)).to.include({ exit: 0 });
      expect(contentOf(work.outDir)).to.have.all.keys('.slugignore', 'seen');
    });

    it('treats a folder called .slugignore as a folder, and nonsense in the file as patterns that match nothing', async () => {
      work.write({ '.slugignore/x': 'x' });
      await expectFaithful();
      rmSync(app('.slugignore'), { recursive: true });
      writeFileSync(app('.slugignore'), Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x5b, 0x0a, 0x2a, 0x2a, 0x28, 0x0a]));
      expect((await verdictOf(work)).exit).to.equal(0);
    });

    it('reports unreadable files as such', async function () {
      if (process.getuid?.() !== 0) skipBecause(this, 'needs root');
      const scene = new CliScene();
      try {
        scene.pipeline(LOOK).write({ 'app.py': 'x', locked: 'secret' });
        execFileSync('chown', ['-R', '65534:65534', scene.root]);
        chmodSync(join(scene.appDir, 'locked'), 0);
        const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
        const file = await scene.run({ through });
        expect(file.status).to.equal(1);
        expect(file.stdout).to.match(/app::unreadable-file/);
        scene.write({ '.slugignore': 'locked\n' });
        expect((await scene.run({ through })).status).to.equal(0);
        chmodSync(join(scene.appDir, '.slugignore'), 0);
        const ignore = await scene.run({ through });
        expect([ignore.status, ignore.stderr]).to.deep.equal([1, ignore.stderr]);
        expect(ignore.stderr).to.match(/app::unreadable-file/);
        chmodSync(scene.appDir, 0);
        const folder = await scene.run({ through });
        expect(folder.status).to.be.oneOf([1, 2]);
        expect(folder.stderr).to.match(/app::unreadable/);
        expect(file.stdout + file.stderr + ignore.stderr + folder.stderr).not.to.match(STACK_TRACE);
      } finally {
        scene.cleanUp();
      }
    });
  });

  describe('names', () => {
    it('keeps every name that is UTF-8, whatever it means to other programs', async () => {
      const names = [
        'with blanks in it',
        ' leading and trailing ',
        'new\nline',
        'tab\tand\rreturn',
        'bell\u0007escape\u001b[2J',
        '-rf',
        '--force',
        '[a]{b,c}*?!(d)',
        'back\\slash',
        '"quotes\'and`ticks`$(touch pwned)',
        '%s%n',
        '__proto__',
        'constructor',
        'toString',
        '\ufffd',
        '\u2028',
        'cafe\u0301',
        'caf\u00e9',
        '\u{1F40D}',
        '...',
        '..hidden',
        '~',
        '#x',
        'x'.repeat(255),
      ];
      for (const name of names) {
        writeFileSync(app(name), `file ${name}`);
        mkdirSync(app(`in/${name}`), { recursive: true });
        writeFileSync(app(`in/${name}/x`), name);
      }
      await expectFaithful();
      // Again as an update, and with only the cache.
      await expectFaithful();
      rmSync(work.outDir, { recursive: true });
      await expectFaithful();
    });

    it('rejects invalid UTF-8 in a name and in the target of a link', async () => {
      writeFileSync(Buffer.concat([Buffer.from(app('bad')), Buffer.from([0xff, 0xfe])]), 'x');
      expect(await verdictOf(work)).to.deep.equal({ exit: 1, code: 'app::unsupported-file' });
      rmSync(work.appDir, { recursive: true });
      mkdirSync(work.appDir);
      symlinkSync(Buffer.from([0x61, 0xff]), app('link'));
      expect(await verdictOf(work)).to.deep.equal({ exit: 1, code: 'app::unsupported-file' });
    });

    it('keeps deep folders, and reports a path that is too long for the system', async () => {
      mkdirSync(app('d/'.repeat(300)), { recursive: true });
      writeFileSync(app(`${'d/'.repeat(300)}file`), 'deep');
      await expectFaithful();
      execFileSync(
        'sh',
        ['-c', 'i=0; while [ $i -lt 25 ]; do mkdir "$0" && cd -P "$0" || exit 1; i=$((i+1)); done', 'n'.repeat(200)],
        {
          cwd: work.appDir,
        },
      );
      const { exit, code } = await verdictOf(work);
      expect([exit, code]).to.deep.equal([1, 'app::unreadable-file']);
      execFileSync('rm', ['-rf', app('n'.repeat(200))]);
      await expectFaithful();
    });
  });

  describe('files that change during the run', () => {
    it('fails a node whose input changed after its key was made, and stores nothing', async () => {
      work.write({ data: 'before' });
      // With one job, `look` has its key when the third of these starts. Its view is written when the second has ended.
      const idle = ['a', 'b', 'c', 'd'].map((id) => `  ${id}: { uses: command, with: { argv: ["true", ${id}] } }\n`);
      work.pipeline(LOOK.replace('look: {', `look: { after: [a],`).replace('nodes:\n', `nodes:\n${idle.join('')}`));
      const emit = work.sink.emit.bind(work.sink);
      let started = 0;
      Object.assign(work.sink, {
        emit: (event: Parameters<typeof emit>[0]) => {
          if (event.type === 'node-started' && ++started === 3) writeFileSync(app('data'), 'after!');
          emit(event);
        },
      });
      const { exit, code } = await verdictOf(work, { jobs: 1 });
      expect({ exit, code }).to.deep.equal({ exit: 75, code: 'app::changed-during-run' });
      expect(existsSync(work.outDir)).to.equal(false);
      await expectFaithful();
    });

    for (const [how, prepare] of [
      ['a new slug', () => Promise.resolve()],
      ['an existing slug', async () => void (await work.run())],
    ] as const) {
      it(`never writes into ${how} a file that does not match its digest`, async () => {
        // Only the slug contains it: no node reads it.
        work.pipeline(LOOK.replace('reads: ["**"]', 'reads: [app.py]'));
        work.write({ 'app.py': 'x', 'z.log': 'start' });
        await prepare();
        // Copied before the log, so that the log has time to grow.
        for (let i = 0; i < 8; i++) writeFileSync(app(`a${i}`), Buffer.alloc(2_000_000, `${i}`));
        const growing = setInterval(() => appendFileSync(app('z.log'), 'more\n'), 1);
        const { exit, code, report } = await verdictOf(work);
        clearInterval(growing);
        if (exit === 0) {
          // The file may have been unchanged just long enough; then digest and bytes must match.
          const { report: again } = await verdictOf(work, {
            outDir: join(work.root, 'second'),
            cacheDir: join(work.root, 'fresh'),
          });
          const isSame = readFileSync(slug('z.log')).equals(readFileSync(app('z.log')));
          expect(again?.slug?.digest === report?.slug?.digest).to.equal(isSame);
        } else {
          expect({ exit, code }).to.deep.equal({ exit: 75, code: 'app::changed-during-run' });
        }
        expect((await verdictOf(work)).exit).to.equal(0);
        expect(readFileSync(slug('z.log')).equals(readFileSync(app('z.log')))).to.equal(true);
      });
    }

    it('is not up to date by the fast path if a node changed the app unnoticed', async () => {
      work.write({ data: 'before' });
      work.pipeline(`
pyflow: 1
name: sly
nodes:
  sly: { uses: command, with: { argv: [sh, -c, "echo sly > ${app('data')}"] } }
`);
      await work.run();
      expect(await work.fastRun()).to.equal(undefined);
      await work.run();
      expect(readFileSync(slug('data'), 'utf8')).to.equal('sly\n');
    });
  });

  describe('the output folder', () => {
    beforeEach(() => work.write({ 'app.py': 'x', 'src/module.py': 'y' }));
    const untouched = (): void => {
      expect(contentOf(work.appDir)).to.have.all.keys('app.py', 'src', 'src/module.py');
    };

    it('rejects the root, the home folder and any folder that contains the app, even with --force', async () => {
      for (const outDir of ['/', work.root]) {
        expect(await verdictOf(work, { outDir, force: true })).to.deep.equal({ exit: 2, code: 'slug::unsafe-out' });
      }
      untouched();
    });

    it('rejects a folder that contains the app under a name that begins with two dots', async () => {
      const appDir = join(work.root, 'holder', '..app');
      mkdirSync(join(work.root, 'holder'));
      renameSync(work.appDir, appDir);
      const request = { appDir, outDir: join(work.root, 'holder'), force: true };
      expect(await verdictOf(work, request)).to.deep.equal({ exit: 2, code: 'slug::unsafe-out' });
      expect(existsSync(join(appDir, 'app.py'))).to.equal(true);
      renameSync(appDir, work.appDir);
    });

    it('rejects the app and folders that contain it under another name, even with --force', async () => {
      symlinkSync('.', join(work.root, 'alias'));
      const alias = join(work.root, 'alias');
      expect(await verdictOf(work, { outDir: alias, force: true })).to.deep.equal({
        exit: 2,
        code: 'slug::unsafe-out',
      });
      const request = { appDir: join(alias, 'app'), outDir: work.appDir, force: true };
      expect(await verdictOf(work, request)).to.deep.equal({ exit: 2, code: 'slug::unsafe-out' });
      untouched();
    });

    it('rejects a folder behind a link of the app, even with --force', async () => {
      const outside = join(work.root, 'outside');
      mkdirSync(join(outside, 'deeper'), { recursive: true });
      for (const [link, target] of [
        ['.pyflow', outside],
        ['.pyflow', join(outside, 'missing')],
        ['out', '../outside'],
        ['src/out', '../../outside/deeper'],
      ] as const) {
        symlinkSync(target, app(link));
        const verdict = await verdictOf(work, { outDir: app(`${link}/slug`), force: true });
        expect(verdict, link).to.deep.equal({ exit: 1, code: 'slug::unsafe-out' });
        rmSync(app(link));
      }
      expect(contentOf(outside)).to.have.all.keys('deeper');
      untouched();
    });

    it('rejects a file, a link, and a non-empty folder of the app', async () => {
      writeFileSync(work.outDir, 'precious');
      expect(await verdictOf(work)).to.deep.equal({ exit: 2, code: 'slug::not-ours' });
      expect(readFileSync(work.outDir, 'utf8')).to.equal('precious');
      rmSync(work.outDir);
      symlinkSync(work.appDir, work.outDir);
      expect((await verdictOf(work)).exit).to.equal(2);
      expect(await verdictOf(work, { outDir: app('src') })).to.deep.equal({ exit: 2, code: 'slug::not-ours' });
      untouched();
    });

    it('fails if nothing can be created there', async () => {
      writeFileSync(join(work.root, 'file'), '');
      const { exit, code } = await verdictOf(work, { outDir: join(work.root, 'file', 'slug') });
      expect({ exit, code }).to.deep.equal({ exit: 75, code: 'environment::file-system' });
    });

    it('can be inside the app without becoming part of it', async () => {
      for (const outDir of [app('.pyflow/slug'), app('build'), app('..out')]) {
        const first = await work.run({ outDir });
        const second = await work.run({ outDir });
        expect(second.slug?.digest).to.equal(first.slug?.digest);
        expect(Object.keys(contentOf(outDir)).filter((path) => path.includes('app.py'))).to.deep.equal(['app.py']);
        rmSync(outDir, { recursive: true });
      }
    });

    it('keeps everything outside an app that is built in place, whatever a marker in it says', async () => {
      const precious = join(work.root, 'precious');
      mkdirSync(precious);
      writeFileSync(join(precious, 'file'), 'x');
      symlinkSync(precious, app('link'));
      const paths = {
        '../precious/file': '',
        'src/../../precious/file': '',
        'link/file': '',
        [join(precious, 'file')]: '',
        '../precious/': '',
      };
      for (const name of ['.pyflow-slug.json', '.pyflow-slug.unfinished']) {
        writeFileSync(app(name), JSON.stringify({ format: 1, digest: '', paths }));
        expect((await verdictOf(work, { outDir: work.appDir })).exit).to.equal(0);
        expect(readFileSync(join(precious, 'file'), 'utf8')).to.equal('x');
      }
    });

    it('leaves a cache inside the app out of the source', async () => {
      const cacheDir = app('.cache/pyflow');
      const first = await work.run({ cacheDir });
      const second = await work.run({ cacheDir });
      expect(second.slug?.digest).to.equal(first.slug?.digest);
      expect(Object.keys(contentOf(work.outDir)).filter((path) => path.startsWith('.cache/pyflow'))).to.deep.equal([]);
    });
  });

  describe('what a node leaves behind', () => {
    const node = (script: string, writes = '["**"]'): string =>
      `pyflow: 1\nname: hostile\nnodes:\n  hostile: ${JSON.stringify({ uses: 'command', with: { argv: ['sh', '-c', script], writes: JSON.parse(writes) as string[] } })}\n`;
    const expectFailure = async (script: string, exit: number, code: string): Promise<void> => {
      work.pipeline(node(script));
      const verdict = await verdictOf(work);
      expect({ exit: verdict.exit, code: verdict.code }, script).to.deep.equal({ exit, code });
      expect(existsSync(work.outDir), script).to.equal(false);
    };

    it('is rejected if it is not a file, folder or link, or has a name that is not UTF-8', async () => {
      await expectFailure('mkfifo pipe', 1, 'app::unsupported-file');
      await expectFailure('touch "$(printf \'a\\377b\')"', 1, 'app::unsupported-file');
      await expectFailure('ln -s "$(printf \'a\\377b\')" link', 1, 'app::unsupported-file');
    });

    it('is a failure if it removed its own folder, or replaced it', async () => {
      const outside = join(work.root, 'outside');
      mkdirSync(outside);
      writeFileSync(join(outside, 'file'), 'not the app');
      await expectFailure('rm -rf "$PWD"', 1, 'app::file-vanished');
      await expectFailure(`d="$PWD"; cd /; rm -rf "$d"; ln -s ${outside} "$d"`, 1, 'app::file-vanished');
      await expectFailure('d="$PWD"; cd /; rm -rf "$d"; echo > "$d"', 1, 'app::file-vanished');
      expect(readFileSync(join(outside, 'file'), 'utf8')).to.equal('not the app');
    });

    it('can be a long line, bytes that are not text, or nothing', async () => {
      work.pipeline(node("head -c 20000000 /dev/zero | tr '\\0' x; printf '\\377\\376\\000\\033[2J'; printf 'no end'"));
      const { exit, report } = await verdictOf(work);
      expect([exit, report?.nodes['hostile']?.outcome]).to.deep.equal([0, 'executed']);
      rmSync(work.outDir, { recursive: true });
      expect((await verdictOf(work)).exit).to.equal(0);
    });

    it('can use the names of the marker without harm', async () => {
      work.pipeline(
        node('echo x > .pyflow-slug.json; echo y > .pyflow-slug.unfinished; mkdir .pyflow; echo z > .pyflow/z'),
      );
      await expectFaithfulTo('.pyflow', '.pyflow/z');
      await expectFaithfulTo('.pyflow', '.pyflow/z');
      expect((await verdictOf(work, { outDir: work.appDir })).exit).to.equal(0);
    });
    const expectFaithfulTo = async (...names: readonly string[]): Promise<void> => {
      expect(await verdictOf(work)).to.include({ exit: 0 });
      expect(contentOf(work.outDir)).to.have.all.keys(...names);
    };
  });

  describe('the folder of app variables', () => {
    it('is rejected if it is missing or not a folder; folders, pipes and invalid names in it are ignored', async () => {
      const envDir = join(work.root, 'env');
      expect(await verdictOf(work, { envDir })).to.deep.equal({ exit: 2, code: 'app::env-dir-unreadable' });
      writeFileSync(envDir, '');
      expect(await verdictOf(work, { envDir })).to.deep.equal({ exit: 2, code: 'app::env-dir-unreadable' });
      rmSync(envDir);
      mkdirSync(join(envDir, 'FOLDER'), { recursive: true });
      execFileSync('mkfifo', [join(envDir, 'PIPE')]);
      writeFileSync(join(envDir, 'not a name'), 'x');
      work.pipeline(LOOK);
      expect((await verdictOf(work, { envDir })).exit).to.equal(0);
    });

    it('is rejected if a variable is a broken link', async () => {
      const envDir = join(work.root, 'env');
      mkdirSync(envDir);
      symlinkSync('nowhere', join(envDir, 'LOST'));
      expect(await verdictOf(work, { envDir })).to.deep.equal({ exit: 2, code: 'app::env-dir-unreadable' });
    });
  });

  describe('a slug that was tampered with', () => {
    const FILES = { 'app.py': 'print(1)\n', 'lib/a.py': 'a\n', 'lib/b.py': 'b\n', 'lib/deep/c.py': 'c\n' };
    const repairs: Readonly<Record<string, () => void>> = {
      'a file edited, with the same size': () => writeFileSync(slug('app.py'), 'print(2)\n'),
      'a file replaced': () => {
        writeFileSync(slug('new'), 'print(2)\n');
        renameSync(slug('new'), slug('app.py'));
      },
      'a file edited, with the same size and mtime': () => {
        const { atime, mtime } = statSync(slug('app.py'));
        writeFileSync(slug('app.py'), 'print(3)\n');
        utimesSync(slug('app.py'), atime, mtime);
      },
      'a file truncated, with the same mtime': () => {
        const { atime, mtime } = statSync(slug('app.py'));
        writeFileSync(slug('app.py'), '');
        utimesSync(slug('app.py'), atime, mtime);
      },
      'a file deleted': () => rmSync(slug('lib/a.py')),
      'a file added': () => writeFileSync(slug('lib/stranger.py'), 'x'),
      'a file added whose name is not UTF-8': () =>
        writeFileSync(Buffer.concat([Buffer.from(slug('lib/x')), Buffer.from([0xff])]), 'x'),
      'a file made executable': () => chmodSync(slug('app.py'), 0o755),
      'a file closed to readers': () => chmodSync(slug('app.py'), 0o600),
      'a folder closed to others': () => chmodSync(slug('lib'), 0o700),
      'a folder deleted': () => rmSync(slug('lib'), { recursive: true }),
      'a folder added': () => mkdirSync(slug('lib/more/and/more'), { recursive: true }),
      'a folder replaced by a link to outside the slug': () => {
        const outside = join(work.root, 'outside');
        mkdirSync(join(outside, 'deep'), { recursive: true });
        writeFileSync(join(outside, 'a.py'), 'precious');
        rmSync(slug('lib'), { recursive: true });
        symlinkSync(outside, slug('lib'));
      },
      'a folder replaced by a file': () => {
        rmSync(slug('lib'), { recursive: true });
        writeFileSync(slug('lib'), 'x');
      },
      'a file replaced by a folder': () => {
        rmSync(slug('app.py'));
        mkdirSync(slug('app.py/x'), { recursive: true });
      },
      'a file replaced by a named pipe': () => {
        rmSync(slug('app.py'));
        execFileSync('mkfifo', [slug('app.py')]);
      },
      'the marker emptied': () => writeFileSync(slug('.pyflow-slug.json'), ''),
      'the marker without its paths': () => writeFileSync(slug('.pyflow-slug.json'), '{"format":1}'),
      'the marker with nonsense for paths': () =>
        writeFileSync(slug('.pyflow-slug.json'), '{"format":1,"digest":1,"paths":[null]}'),
      'the marker replaced by a folder': () => {
        rmSync(slug('.pyflow-slug.json'));
        mkdirSync(slug('.pyflow-slug.json'));
      },
    };
    for (const [what, tamper] of Object.entries(repairs)) {
      it(`is repaired by the next run: ${what}`, async () => {
        work.write(FILES);
        const first = await work.run();
        const before = contentOf(work.outDir);
        tamper();
        const { exit, code, report } = await verdictOf(work);
        expect({ exit, code }).to.deep.equal({ exit: 0, code: undefined });
        expect(report?.slug?.digest).to.equal(first.slug?.digest);
        expect(contentOf(work.outDir)).to.deep.equal(before);
        expect(statSync(slug('app.py')).mode & 0o777).to.equal(0o644);
        expect(statSync(slug('lib')).mode & 0o777).to.equal(0o755);
        expect(readdirSync(slug('lib'), { encoding: 'buffer' })).to.have.length(3);
        const outside = join(work.root, 'outside/a.py');
        if (existsSync(outside)) expect(readFileSync(outside, 'utf8')).to.equal('precious');
      });
    }

    it('is noticed by the fast path, whatever was changed', async () => {
      work.write(FILES);
      for (const [what, tamper] of Object.entries(repairs)) {
        await work.run();
        expect(await work.fastRun(), 'nothing was touched').not.to.equal(undefined);
        tamper();
        expect(await work.fastRun(), what).to.equal(undefined);
        rmSync(join(work.root, 'outside'), { recursive: true, force: true });
      }
    });

    it('is not up to date after another app was written over it', async () => {
      work.write(FILES);
      const other = join(work.root, 'other');
      execFileSync('cp', ['-r', work.appDir, other]);
      writeFileSync(join(other, 'app.py'), 'print(9)\n');
      const first = await work.run();
      await work.run({ appDir: other });
      expect(await work.fastRun()).to.equal(undefined);
      const again = await work.run();
      expect(again.slug?.digest).to.equal(first.slug?.digest);
      expect(readFileSync(slug('app.py'), 'utf8')).to.equal('print(1)\n');
    });
  });

  describe('a slug whose writing was interrupted', () => {
    beforeEach(() => {
      for (let i = 0; i < 1500; i++) {
        mkdirSync(app(`d${i % 40}`), { recursive: true });
        writeFileSync(app(`d${i % 40}/f${i}`), `content ${i}`);
      }
      work.pipeline(LOOK.replace('reads: ["**"]', 'reads: [d0]'));
    });

    it('is marked after a signal, and completed by the next run', async () => {
      const controller = new AbortController();
      const emit = work.sink.emit.bind(work.sink);
      Object.assign(work.sink, {
        emit: (event: Parameters<typeof emit>[0]) => {
          emit(event);
          if (event.type !== 'node-finished') return;
          const look = setInterval(() => {
            if (!existsSync(slug('d1'))) return;
            clearInterval(look);
            // The command line aborts like this: the reason is not an Error.
            controller.abort({ signal: 'SIGINT', exitStatus: 130 } satisfies Interruption);
          });
        },
      });
      const { exit, report } = await verdictOf(work, { signal: controller.signal });
      expect([exit, report?.status]).to.deep.equal([130, 'aborted']);
      Object.assign(work.sink, { emit });
      await expectFaithful();
    });

    it('does not become part of an app that is built in place', async () => {
      const place = { outDir: work.appDir };
      const writing = (count: number): string => `
pyflow: 1
name: many
nodes:
  many: { uses: command, with: { argv: [sh, -c, "mkdir -p made; for i in $(seq ${count}); do echo $i > made/$i; done"], writes: ["made/**"] } }
`;
      const source = contentOf(work.appDir);
      const controller = new AbortController();
      const emit = work.sink.emit.bind(work.sink);
      Object.assign(work.sink, {
        emit: (event: Parameters<typeof emit>[0]) => {
          emit(event);
          if (event.type !== 'node-finished') return;
          const look = setInterval(() => {
            if (!existsSync(app('made/1'))) return;
            clearInterval(look);
            controller.abort();
          });
        },
      });
      work.pipeline(writing(3000));
      expect((await verdictOf(work, { ...place, signal: controller.signal })).exit).to.equal(130);
      Object.assign(work.sink, { emit });
      // Another pipeline, which makes less: what the first one left is removed.
      work.pipeline(writing(2));
      expect((await verdictOf(work, place)).exit).to.equal(0);
      expect(Object.keys(contentOf(work.appDir)).filter((path) => path.startsWith('made'))).to.deep.equal([
        'made',
        'made/1',
        'made/2',
      ]);
      work.pipeline('pyflow: 1\nname: none\nnodes:\n  none: { uses: command, with: { argv: ["true"] } }\n');
      expect((await verdictOf(work, place)).exit).to.equal(0);
      expect(contentOf(work.appDir)).to.deep.equal(source);
    });

    it('is completed by the next run after a kill, both in a new folder and over an older slug', async () => {
      const scene = new CliScene();
      try {
        scene.pipeline(LOOK.replace('reads: ["**"]', 'reads: [d0]'));
        execFileSync('cp', ['-rT', work.appDir, scene.appDir]);
        for (let round = 0; round < 2; round++) {
          const doomed = scene.start();
          const look = setInterval(() => {
            // The marker of a complete slug is removed first.
            if (!existsSync(join(scene.outDir, 'd1')) || existsSync(join(scene.outDir, '.pyflow-slug.json'))) return;
            clearInterval(look);
            doomed.child.kill('SIGKILL');
          });
          const { signal } = await doomed.ended;
          clearInterval(look);
          expect(signal, `round ${round}: killed in time`).to.equal('SIGKILL');
          const { status, stderr } = await scene.run();
          expect(status, stderr).to.equal(0);
          const { seen: _, ...rest } = contentOf(scene.outDir);
          expect(rest).to.deep.equal(contentOf(scene.appDir));
          for (let i = 0; i < 1500; i++) writeFileSync(join(scene.appDir, `d${i % 40}/f${i}`), `round ${round} ${i}`);
        }
      } finally {
        scene.cleanUp();
      }
    });
  });
});
