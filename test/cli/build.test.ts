import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { FailureError } from '../../src/engine/failure.js';

const root = resolve(import.meta.dirname, '../..');
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

const IS_REJECTED = `
  const { readFileSync } = require('node:fs');
  const [, file] = process.argv;
  const cachedData = readFileSync(file + '.cache');
  const script = new (require('node:vm').Script)(readFileSync(file, 'latin1'), { cachedData });
  process.stdout.write(String(script.cachedDataRejected));
`;

describe('scripts/build', () => {
  let folder: string;
  let out: string;
  before(function () {
    this.timeout(60_000);
    folder = mkdtempSync(join(tmpdir(), 'pyflow-build-'));
    out = join(folder, 'dist');
    mkdirSync(join(out, 'chunks'), { recursive: true });
    for (const name of ['old-12345678.js', 'run-123456789abc.cjs.cache']) {
      writeFileSync(join(out, 'chunks', name), 'of an earlier build');
      utimesSync(join(out, 'chunks', name), 1e9, 1e9);
    }
    // Like in the package, the file beside the folder says that these are ES modules.
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), out], { stdio: 'pipe' });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const pyflow = (cli: string, ...args: string[]): string =>
    execFileSync(cli, args, { encoding: 'utf8', cwd: folder, env: { PATH: process.env['PATH'] } });

  it('answers --version from a file of a few kilobytes that loads nothing else', () => {
    mkdirSync(join(folder, 'alone'));
    const alone = join(folder, 'alone', 'cli.js');
    copyFileSync(join(out, 'cli.js'), alone);
    expect(statSync(alone).size).to.be.lessThan(4096);
    expect(pyflow(alone, '--version')).to.equal(`pyflow ${version}\n`);
  });

  it('runs without node_modules', () => {
    expect(pyflow(join(out, 'cli.js'), 'help', 'run')).to.contain('Usage: pyflow run [PIPELINE]');
    expect(pyflow(join(out, 'cli.js'), 'plugins', 'ls')).to.match(/^command +\S/m);
  });

  /** `start`, `run`, `draw`, `grpc` or `gateway`, with its path in the folder of the build. */
  const bundle = (name: string, suffix = '', folder = out): string => {
    const found = readdirSync(join(folder, 'chunks')).filter((file) => file.startsWith(`${name}-`));
    expect(found.map((file) => file.replace(/-[0-9a-f]{12}/, ''))).to.have.members(
      ['.cjs', '.cjs.map', '.cjs.cache'].map((end) => `${name}${end}`),
    );
    return join(folder, 'chunks', found.find((file) => file.endsWith('.cjs'))! + suffix);
  };
  // The source map names every file that went into a bundle.
  const sourcesOf = (name: string): readonly string[] =>
    (JSON.parse(readFileSync(bundle(name, '.map'), 'utf8')) as { sources: string[] }).sources;

  it('makes five bundles, and no other bundle repeats a module of the start bundle', () => {
    const chunks = readdirSync(join(out, 'chunks'));
    expect(chunks.filter((name) => !/^plugin-host-[0-9a-f]{12}\.js$/.test(name)).length).to.equal(15);
    expect(chunks.length).to.equal(16);
    const start = sourcesOf('start').filter((source) => source.endsWith('.ts'));
    const run = new Set(sourcesOf('run'));
    const others = new Set([...run, ...sourcesOf('draw'), ...sourcesOf('grpc'), ...sourcesOf('gateway')]);
    expect(start.filter((source) => others.has(source))).to.deep.equal([]);
    expect(run).to.satisfy((all: Set<string>) => [...all].some((source) => source.endsWith('src/composition.ts')));
  });

  it('has no winston, inversify or parser in the start bundle', () => {
    const sources = sourcesOf('start');
    expect(sources.filter((source) => source.includes('node_modules'))).to.deep.equal([]);
    expect(sources.some((source) => source.endsWith('src/cli/run.ts'))).to.equal(true);
    expect(statSync(bundle('start')).size).to.be.lessThan(150_000);
  });

  it('has the code that draws graphs in a separate bundle', () => {
    const isLibrary = (source: string): boolean => source.includes('@dagrejs/');
    expect(sourcesOf('draw').some(isLibrary)).to.equal(true);
    expect([...sourcesOf('start'), ...sourcesOf('run')].filter(isLibrary)).to.deep.equal([]);
    const run = new Set(sourcesOf('run'));
    const twice = sourcesOf('draw').filter((source) => run.has(source) && !source.startsWith('start:'));
    // Modules without state.
    expect(twice.map((source) => source.replace(/^.*?src\//, ''))).to.have.members([
      'engine/render/page.ts',
      'engine/plan/ancestors.ts',
    ]);
    expect(statSync(bundle('draw')).size).to.be.lessThan(80_000);
  });

  it('has gRPC alone in a separate bundle, without its loader of proto files', () => {
    const isLibrary = (source: string): boolean => source.includes('@grpc/');
    const sources = sourcesOf('grpc');
    expect(sources.filter((source) => /(^|\/)src\/engine\//.test(source))).to.deep.equal([
      'src/engine/remote/grpc-library.ts',
    ]);
    expect(sources.some(isLibrary)).to.equal(true);
    expect(sources.filter((source) => /node_modules.*(proto-loader|protobufjs)/.test(source))).to.deep.equal([]);
    expect([...sourcesOf('start'), ...sourcesOf('run'), ...sourcesOf('draw')].filter(isLibrary)).to.deep.equal([]);
    expect(statSync(bundle('grpc')).size).to.be.lessThan(300_000);
  });

  it('makes bundles that read the same in Latin-1, including their regular expressions', () => {
    for (const name of ['start', 'run', 'draw', 'grpc', 'gateway'])
      expect(readFileSync(bundle(name), 'utf8')).to.match(/^[\0-\x7f]*$/);
    // uv marks causes with these characters.
    expect(readFileSync(bundle('run'), 'latin1')).to.contain(String.raw`\u2570`);
  });

  it('omits the parts of winston for files, HTTP and colors', () => {
    const unwanted = /winston\/lib\/winston\/transports\/(?:file|http|console)\.js|@dabh|@colors|logform\/index/;
    const sources = sourcesOf('run');
    expect(sources.some((source) => source.endsWith('winston/lib/winston/logger.js'))).to.equal(true);
    expect(sources.filter((source) => unwanted.test(source))).to.deep.equal([]);
  });

  it('names every package in the bundles, with the text of its licence', () => {
    const text = readFileSync(join(out, 'THIRD-PARTY-LICENSES.txt'), 'utf8');
    const folders = ['start', 'run', 'draw', 'grpc', 'gateway'].flatMap((name) =>
      sourcesOf(name).flatMap((source) => /^node_modules\/(?:@[^/]+\/)?[^/.@][^/]*/.exec(source)?.[0] ?? []),
    );
    expect(folders).to.include.members(['node_modules/@dagrejs/dagre', 'node_modules/inversify']);
    for (const folder of new Set(folders)) {
      const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
        name: string;
        version: string;
      };
      const file = readdirSync(join(root, folder)).find((one) => /^licen[cs]e/i.test(one)) ?? '';
      expect(text).to.contain(`\n${name} ${version} (`);
      expect(text).to.contain(
        readFileSync(join(root, folder, file), 'utf8')
          .replaceAll('\r\n', '\n')
          .trim(),
      );
    }
    // dagre has it in its file.
    expect(text).to.contain('\n@dagrejs/graphlib ');
    const titles = [...text.matchAll(/^-{80}\n(.+)\n-{80}$/gm)].map(([, title]) => title);
    expect(titles.length).to.be.greaterThan(50);
    expect(titles).to.deep.equal([...titles].sort());
  });

  describe('a copy without anything around it', () => {
    let copy: string;
    let number = 0;
    beforeEach(() => {
      number += 1;
      copy = join(folder, `copy${number}`, 'dist');
      cpSync(out, copy, { recursive: true });
      mkdirSync(join(copy, '..', 'app'));
      writeFileSync(join(copy, '..', 'in'), '');
      writeFileSync(
        join(copy, '..', 'small.yml'),
        `pyflow: 1
name: small
nodes:
  say: { uses: command, with: { argv: [echo, "it ran"], reads: [], writes: [] } }
`,
      );
    });

    const run = (): string =>
      pyflow(
        join(copy, 'cli.js'),
        'run',
        join(copy, '../small.yml'),
        `--app=${join(copy, '../app')}`,
        `--cache-dir=${join(copy, '../cache')}`,
        '--sandbox=none',
        '--log=plain',
      );
    const runs = (): void => {
      expect(run()).to.contain('it ran').and.to.contain('1 executed');
      expect(run()).to.contain('1 up to date');
    };

    it('runs', runs);

    it('starts from compiled code that V8 accepts', () => {
      for (const name of ['start', 'run', 'draw', 'grpc', 'gateway']) {
        const file = bundle(name);
        // In a separate process: V8 rejects code that was made under other flags, and the engine sets some.
        expect(execFileSync(process.execPath, ['-e', IS_REJECTED, file], { encoding: 'utf8' })).to.equal('false');
        // It also contains what was compiled during the run.
        expect(statSync(`${file}.cache`).size).to.be.greaterThan(statSync(file).size / 3);
      }
    });

    it('loads the second bundle only if something must run', () => {
      run();
      rmSync(bundle('run', '', copy));
      expect(run()).to.contain('1 up to date');
      expect(pyflow(join(copy, 'cli.js'), '--help')).to.contain('pyflow run');
    });

    it('loads the third bundle only to draw a graph', () => {
      const graph = (format: string): string =>
        pyflow(join(copy, 'cli.js'), 'graph', join(copy, '../small.yml'), `--format=${format}`);
      const drawn = graph('svg');
      expect(drawn).to.contain('data-id="say"');
      rmSync(bundle('draw', '', copy));
      expect(graph('dot')).to.contain('"say"');
      runs();
      expect(() => graph('html')).to.throw(/draw-/);
    });

    for (const [what, spoil] of Object.entries<(file: string) => void>({
      missing: (file) => rmSync(file),
      empty: (file) => writeFileSync(file, ''),
      'cut off': (file) => truncateSync(file, statSync(file).size >> 1),
      'of another version of V8': (file) => {
        const bytes = readFileSync(file);
        bytes.writeUInt32LE(bytes.readUInt32LE(4) ^ 1, 4);
        writeFileSync(file, bytes);
      },
    })) {
      it(`works the same with compiled code that is ${what}, and does not change it`, () => {
        const files = ['start', 'run', 'draw', 'grpc', 'gateway'].map((name) => bundle(name, '.cache', copy));
        for (const file of files) spoil(file);
        const contents = files.map((file) => (existsSync(file) ? readFileSync(file) : undefined));
        runs();
        expect(files.map((file) => (existsSync(file) ? readFileSync(file) : undefined))).to.deep.equal(contents);
      });
    }
  });

  it('loads outside plugins', () => {
    expect(pyflow(join(out, 'cli.js'), 'check', join(root, 'examples/plugins/wheels.yml'))).to.contain('wheels');
  });

  it('provides the sdk to outside plugins', async () => {
    const sdk = (await import(join(out, 'sdk.js'))) as Record<string, unknown>;
    expect(sdk).to.include.keys('succeed', 'fail', 'Subprocess', 'Download');
    expect(readFileSync(join(out, 'sdk.d.ts'), 'utf8')).to.contain("'./types/engine/sdk.js'");
    expect(readFileSync(join(out, 'types/engine/sdk.d.ts'), 'utf8')).to.contain('interface RunContext');
  });

  it('depends only on what the types of the sdk import', () => {
    const types = join(out, 'types');
    const imported = readdirSync(types, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.d.ts'))
      .flatMap((name) => [...readFileSync(join(types, name), 'utf8').matchAll(/\bfrom '([^.'][^']*)'/g)])
      .map(([, specifier = '']) => (specifier.startsWith('node:') ? '@types/node' : specifier));
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
      'dependencies' | 'peerDependencies',
      Readonly<Record<string, string>>
    >;
    const listed = [...Object.keys(dependencies), ...Object.keys(peerDependencies)];
    expect([...new Set(imported)].sort()).to.deep.equal(listed.sort());
  });

  it('has types that compile with its dependencies alone', function () {
    this.timeout(60_000);
    const modules = join(folder, 'use/node_modules');
    mkdirSync(join(modules, 'pyflow'), { recursive: true });
    mkdirSync(join(modules, '@types'));
    for (const name of ['json-schema-to-ts', '@types/node'])
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
    copyFileSync(join(root, 'package.json'), join(modules, 'pyflow/package.json'));
    cpSync(out, join(modules, 'pyflow/dist'), { recursive: true });
    writeFileSync(
      join(folder, 'use/use.ts'),
      `import { succeed, Subprocess } from 'pyflow/sdk';
import type { Folder, FromSchema, Plugin, Reads, RunContext, ServiceIdentifier } from 'pyflow/sdk';
const config = { type: 'object', properties: { file: { type: 'string' } }, required: ['file'] } as const;
export const file: FromSchema<typeof config>['file'] = 'x';
// @ts-expect-error a number is no string
export const wrong: FromSchema<typeof config>['file'] = 1;
export const token: ServiceIdentifier<Subprocess> = Subprocess;
export const nameOf = (folder: Folder): string => typeof folder;
type Facts = { readonly lines: readonly string[]; readonly mode?: string };
export const typed: Pick<Plugin<object, object, { count: number }, Facts>, 'reads' | 'run'> = {
  reads: async () => succeed({ facts: { lines: ['x'] }, pure: true }),
  run: async (_, { facts }) => succeed({ outputs: { count: facts.lines.length } }),
};
// @ts-expect-error a kind that names the type of its facts has to give them
export const without: Reads<Facts> = {};
export const plain: Reads = { files: ['x'] };
export const found = ({ facts }: RunContext): unknown => facts;
`,
    );
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = '--ignoreConfig --noEmit --strict --target es2023 --module nodenext --types node use.ts'.split(' ');
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options], {
      cwd: join(folder, 'use'),
      encoding: 'utf8',
    });
    expect({ status, stdout }).to.deep.equal({ status: 0, stdout: '' });
  });

  it('recognizes the failures that outside plugins throw', async () => {
    const { FailureError: theirs } = (await import(join(out, 'sdk.js'))) as { FailureError: typeof FailureError };
    expect(theirs).to.not.equal(FailureError);
    const thrown = new theirs({ code: 'x::y', blame: 'app', title: '', detail: '', remedy: '' });
    expect(thrown).to.be.instanceOf(FailureError);
    expect(new Error('other')).to.not.be.instanceOf(FailureError);
  });

  it('removes the chunks of earlier builds', () => {
    expect(existsSync(join(out, 'chunks', 'old-12345678.js'))).to.equal(false);
  });

  it('exits silently if its reader exits, and reports an output that is not writable', () => {
    const told = (redirected: string): string =>
      execFileSync(
        'bash',
        ['-c', `{ ${join(out, 'cli.js')} help run; echo "status $?" >&2; } 2>err ${redirected}; cat err`],
        {
          encoding: 'utf8',
          cwd: folder,
        },
      );
    expect(told('| true')).to.equal('status 0\n');
    expect(told('> /dev/full')).to.match(
      /^error: pyflow can't write its output: ENOSPC.*\n  -> Free space on the disk, .*\nstatus 75\n$/,
    );
  });

  describe('an interrupted run', () => {
    const pipeline = (trap: string): string => `pyflow: 1
name: slow
nodes:
  slow: { uses: command, with: { argv: [sh, -c, "${trap}echo $$ > ${join(folder, 'pid')}; echo ready; sleep 600"], reads: [], writes: [] } }
  after: { uses: command, after: [slow], with: { argv: ["true"], reads: [], writes: [] } }
`;

    afterEach(() => {
      try {
        process.kill(-Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
      } catch {
        // The process has ended.
      }
    });

    /** Sends the signals once the node prints; gives status and report. */
    async function interrupt(trap: string, ...signals: readonly ('SIGINT' | 'SIGTERM')[]) {
      writeFileSync(join(folder, 'slow.yml'), pipeline(trap));
      mkdirSync(join(folder, 'app'), { recursive: true });
      const report = join(folder, 'report.json');
      rmSync(report, { force: true });
      const args = ['run', 'slow.yml', '--app', 'app', '--cache-dir', 'cache', '--sandbox', 'none', '--log', 'ndjson'];
      const child = spawn(join(out, 'cli.js'), [...args, '--report', report], {
        cwd: folder,
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const before = stdout.includes('"ready"');
        stdout += text;
        if (!before && stdout.includes('"ready"')) for (const signal of signals) child.kill(signal);
      });
      const [status] = (await once(child, 'close')) as [number | null];
      return { status, stdout, report };
    }

    it('exits with 128 plus the signal, and reports the aborted nodes', async () => {
      const { status, report } = await interrupt('', 'SIGTERM');
      expect(status).to.equal(143);
      const told = JSON.parse(readFileSync(report, 'utf8')) as RunReport;
      expect(told).to.include({ status: 'aborted', exitCode: 143 });
      expect(Object.values(told.nodes).map(({ outcome }) => outcome)).to.deep.equal(['aborted', 'aborted']);
    });

    it('exits at once on the second signal', async () => {
      const startedAt = Date.now();
      const { status, report } = await interrupt("trap '' TERM INT; ", 'SIGTERM', 'SIGINT');
      // Signals that are sent together may arrive in either order.
      expect(status).to.be.oneOf([130, 143]);
      expect(existsSync(report)).to.equal(false);
      expect(Date.now() - startedAt).to.be.lessThan(4000);
    });
  });
});
