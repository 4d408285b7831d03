import { expect } from 'chai';
import * as fc from 'fast-check';
import { packagesOf } from '../../../src/manifests/app/packages.js';
import {
  normalizeName,
  readRequirements,
  type ReadRequirementsOptions,
  type RequirementsClosure,
} from '../../../src/manifests/app/requirements.js';

type Files = Readonly<Record<string, string | Uint8Array>>;

const readFrom = (files: Files) => async (path: string) => {
  const content = Object.hasOwn(files, path) ? files[path] : undefined;
  return typeof content === 'string' ? Buffer.from(content) : content;
};
async function closure(files: Files | string, options?: ReadRequirementsOptions): Promise<RequirementsClosure> {
  const all = typeof files === 'string' ? { 'requirements.txt': files } : files;
  const result = await readRequirements('requirements.txt', readFrom(all), options);
  if (!result.ok) throw new Error(JSON.stringify(result.failure));
  return result.value;
}
async function problems(files: Files | string) {
  const all = typeof files === 'string' ? { 'requirements.txt': files } : files;
  const result = await readRequirements('requirements.txt', readFrom(all));
  return result.ok ? [] : result.failure;
}
const only = async (line: string) => {
  const { requirements } = await closure(line);
  expect(requirements).to.have.length(1);
  return requirements[0]!;
};
const SHA = 'a'.repeat(64);
const COMMIT = 'b'.repeat(40);

describe('requirements', () => {
  it('resolves local paths against the folder that pip starts in', async () => {
    const files = {
      'requirements.txt': '-e .\n./libs/a\n-r deep/more.txt\n--find-links wheels\n',
      'deep/more.txt': '../../libs/b\n--find-links wheels\n',
    };
    const { localPaths } = await closure(files, { cwd: 'services/web' });
    expect(localPaths).to.deep.equal([
      'deep/wheels',
      'libs/b',
      'services/web',
      'services/web/libs/a',
      'services/web/wheels',
      'wheels',
    ]);
  });

  describe('lines', () => {
    it('reads name, extras, specifier and marker', async () => {
      expect(await only('Flask_Login [async, x] >= 1.0 , < 2 ; python_version < "3.12"  # why')).to.deep.equal({
        name: 'flask-login',
        specifier: '>= 1.0 , < 2',
        extras: ['async', 'x'],
        marker: 'python_version < "3.12"',
        kind: 'index',
        editable: false,
        pinned: false,
        hashed: false,
        file: 'requirements.txt',
        line: 1,
      });
    });

    it('joins continued lines and counts from the first', async () => {
      const { requirements } = await closure(
        `# head\n\na==1 \\\n  --hash=sha256:${SHA} \\\n  --hash sha256:${SHA}\r\nb==2\n`,
      );
      expect(requirements.map(({ name, line, hashed }) => [name, line, hashed])).to.deep.equal([
        ['a', 3, true],
        ['b', 6, false],
      ]);
    });

    it('ends a continuation at a comment, like pip', async () => {
      const { requirements } = await closure('a==1 \\\n# b==2 \\\nc==3');
      expect(requirements.map(({ name, specifier }) => [name, specifier])).to.deep.equal([
        ['a', '==1'],
        ['c', '==3'],
      ]);
    });

    it('keeps a # that belongs to a URL', async () => {
      expect(await only('https://example.com/a.zip#egg=Some.Name # note')).to.include({
        name: 'some-name',
        kind: 'url',
      });
    });

    it('reads UTF-16 and UTF-8 with a byte order mark', async () => {
      for (const bytes of [Buffer.from('\uFEFFa==1', 'utf16le'), Buffer.from('\uFEFFa==1')]) {
        expect((await closure({ 'requirements.txt': bytes })).requirements[0]).to.include({
          name: 'a',
          specifier: '==1',
        });
      }
    });

    it('normalizes names according to PEP 503', () => {
      expect(normalizeName('Foo_.-Bar__baz')).to.equal('foo-bar-baz');
    });
  });

  describe('pins', () => {
    const pins: readonly (readonly [line: string, pinned: boolean])[] = [
      ['a==1.0', true],
      ['a == 1.0', true],
      ['a===1.0+local', true],
      ['a (==1.0)', true],
      ['a==1.0,>0.5', true],
      ['a==1.0; sys_platform == "linux"', true],
      ['a==1.*', false],
      ['a>=1.0', false],
      ['a', false],
      ['a~=1.0', false],
      ['a!=1.0', false],
      [`a --hash=sha256:${SHA}`, true],
      ['a @ https://example.com/a-1.whl', false],
      [`a @ https://example.com/a-1.whl#sha256=${SHA}`, true],
      [`git+https://example.com/a.git@${COMMIT}#egg=a`, true],
      [`a @ git+https://example.com/a.git@${COMMIT}`, true],
      ['a @ git+https://example.com/a.git@v1.0', false],
      ['git+ssh://git@example.com/a.git', false],
      ['./libs/a', false],
      ['-e .', false],
      ['./wheels/a-1-py3-none-any.whl', true],
    ];
    for (const [line, pinned] of pins) {
      it(`calls ${line} ${pinned ? 'pinned' : 'not pinned'}`, async () => {
        expect(await only(line)).to.have.property('pinned', pinned);
        expect(await closure(line)).to.have.property('everyListedPinned', pinned);
      });
    }

    it('calls the file hash-checked when all lines have hashes or an option requires them', async () => {
      expect(await closure(`a==1 --hash=sha256:${SHA}`)).to.have.property('hashChecked', true);
      expect(await closure(`a==1 --hash=sha256:${SHA}\nb==1`)).to.have.property('hashChecked', false);
      expect(await closure('--require-hashes\na==1')).to.have.property('hashChecked', true);
      expect(await closure('')).to.deep.include({ hashChecked: false, everyListedPinned: true });
    });
  });

  describe('options', () => {
    it('reads long, short, attached and shortened forms', async () => {
      const { options } = await closure(
        [
          '-i https://a',
          '--index-url=https://b',
          '--extra-index-url "https://c"',
          '-fhttps://d',
          '--pypi-url https://e',
          '--no-index',
          '--pre',
          '--trusted f',
        ].join('\n'),
      );
      expect(options.map(({ name, value, line }) => [line, name, value])).to.deep.equal([
        [1, 'index-url', 'https://a'],
        [2, 'index-url', 'https://b'],
        [3, 'extra-index-url', 'https://c'],
        [4, 'find-links', 'https://d'],
        [5, 'index-url', 'https://e'],
        [6, 'no-index', undefined],
        [7, 'pre', undefined],
        [8, 'trusted-host', 'f'],
      ]);
    });

    it('skips options that pip does not know', async () => {
      expect(await closure('--frobnicate\n-Z x\na')).to.deep.include({ options: [] });
    });

    it('collects names of variables outside comments, and keeps values as written', async () => {
      const result = await closure(
        '--index-url https://${USER_1}:${TOKEN}@example.com # ${NOT_ME}\na @ https://x/${lower}',
        {
          env: (name) => (name === 'TOKEN' ? 'secret' : undefined),
        },
      );
      expect(result.variables.map(({ name }) => name)).to.have.members(['TOKEN', 'USER_1']);
      expect(JSON.stringify(result)).not.to.include('secret');
    });
  });

  describe('includes', () => {
    it('follows -r and -c relative to the including file, in order of reading', async () => {
      const result = await closure({
        'requirements.txt': '-r reqs/base.txt\n-c constraints.txt\na==1',
        'reqs/base.txt': '--requirement=more/deep.txt\nb==1',
        'reqs/more/deep.txt': '-c ../../constraints.txt\nc==1',
        'constraints.txt': 'd==4',
      });
      expect(result.files).to.deep.equal([
        'requirements.txt',
        'reqs/base.txt',
        'reqs/more/deep.txt',
        'constraints.txt',
      ]);
      expect(result.requirements.map(({ name, file }) => [name, file])).to.deep.equal([
        ['c', 'reqs/more/deep.txt'],
        ['b', 'reqs/base.txt'],
        ['a', 'requirements.txt'],
      ]);
      expect(result.constraints.map(({ name }) => name)).to.deep.equal(['d']);
    });

    it('expands variables in paths', async () => {
      const files = { 'requirements.txt': '-r ${KIND}.txt', 'prod.txt': 'a' };
      expect((await closure(files, { env: () => 'prod' })).files).to.deep.equal(['requirements.txt', 'prod.txt']);
    });

    it('treats absolute paths and file URLs below /app as part of the app', async () => {
      const files = { 'requirements.txt': '-r /app/x.txt\n-r file:///app/y%20z.txt', 'x.txt': '', 'y z.txt': '' };
      expect((await closure(files)).files).to.deep.equal(['requirements.txt', 'x.txt', 'y z.txt']);
    });

    it('lists files that pip would download, and then calls nothing pinned', async () => {
      const result = await closure('-c https://example.com/constraints.txt\na==1');
      expect(result).to.deep.include({
        remoteFiles: ['https://example.com/constraints.txt'],
        everyListedPinned: false,
      });
    });

    it('reports every missing file and every file outside the app, with its line', async () => {
      expect(await problems('-r missing.txt\n\n-c ../up.txt\n-r /etc/passwd')).to.deep.equal([
        { type: 'missing-file', file: 'requirements.txt', line: 1, path: 'missing.txt' },
        { type: 'outside-app', file: 'requirements.txt', line: 3, path: '../up.txt' },
        { type: 'outside-app', file: 'requirements.txt', line: 4, path: '/etc/passwd' },
      ]);
      expect(await problems({})).to.deep.equal([{ type: 'missing-file', path: 'requirements.txt' }]);
    });

    it('reports a loop at the line that closes it', async () => {
      expect(await problems({ 'requirements.txt': '-r b.txt', 'b.txt': 'x\n-r ./requirements.txt' })).to.deep.equal([
        { type: 'loop', file: 'b.txt', line: 2, path: './requirements.txt' },
      ]);
      expect(await problems('-r requirements.txt')).to.have.nested.property('[0].type', 'loop');
    });

    it('reads a file once, however often it is included', async () => {
      const files: Record<string, string> = {};
      for (let level = 0; level < 40; level++)
        files[level === 0 ? 'requirements.txt' : `l${level}.txt`] = `-r l${level + 1}.txt\n-r ./l${level + 1}.txt`;
      files['l40.txt'] = 'a==1';
      const result = await closure(files);
      expect(result.requirements).to.have.length(1);
      expect(result.files).to.have.length(41);
    });

    it('limits the depth, the number of files and the list of problems', async () => {
      const chain = Object.fromEntries(Array.from({ length: 80 }, (_, n) => [`f${n}.txt`, `-r f${n + 1}.txt`]));
      expect(await problems({ 'requirements.txt': '-r f0.txt', ...chain })).to.have.nested.property(
        '[0].type',
        'too-deep',
      );
      const wide = Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`f${n}.txt`, '']));
      const list = Object.keys(wide).map((name) => `-r ${name}`);
      expect(await problems({ 'requirements.txt': list.join('\n'), ...wide })).to.have.nested.property(
        '[0].type',
        'too-many-files',
      );
      expect(await problems(Array.from({ length: 500 }, (_, n) => `-r gone${n}`).join('\n'))).to.have.length(50);
    });
  });

  describe('local paths', () => {
    it('lists projects, archives, file URLs and find-links folders in the app', async () => {
      const result = await closure({
        'requirements.txt': [
          '-e .',
          '-e ./libs/a[x]',
          './libs/b',
          'libs/c/dist/c-1.tar.gz',
          'd @ file:///app/libs/d',
          '-e file:libs/e',
          '-r reqs/r.txt',
          '/app/libs/f#egg=F',
        ].join('\n'),
        'reqs/r.txt': '--find-links ../wheels\n--find-links=more\n-f https://example.com/list\n./libs/g',
      });
      expect(result.localPaths).to.deep.equal([
        '.',
        'libs/a',
        'libs/b',
        'libs/c/dist/c-1.tar.gz',
        'libs/d',
        'libs/e',
        'libs/f',
        'libs/g',
        'more',
        'reqs/more',
        'wheels',
      ]);
      expect(result.requirements.find(({ specifier }) => specifier.includes('libs/f'))).to.include({
        name: 'f',
        kind: 'local',
      });
    });

    for (const line of [
      '-e ../other',
      '../other',
      'a @ file:///srv/a',
      'file://host/app/a',
      '--find-links /srv/wheels',
      '-e file:../x',
      '/apple',
    ]) {
      it(`refuses ${line}`, async () => {
        expect(await problems(line)).to.have.nested.property('[0].type', 'outside-app');
      });
    }
  });

  describe('any input', () => {
    const name = fc.constantFrom('requirements.txt', 'b.txt', 'c/d.txt');
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .tuple(
          fc.constantFrom(
            '-r',
            '-c ',
            '--requirement=',
            '-e',
            '--find-links ',
            '--hash=',
            'a==',
            './',
            'file:',
            'git+',
            '\\',
            '"',
            "'",
          ),
          fc.string(),
        )
        .map(([start, end]) => start + end),
      fc.tuple(fc.constantFrom('-r ', '-c ', '-r ../', '--requirement='), name).map(([start, end]) => start + end),
    );
    const text = fc.array(line).map((lines) => lines.join('\n'));

    it('never throws, and keeps every path inside the app', async () => {
      await fc.assert(
        fc.asyncProperty(fc.dictionary(name, text, { minKeys: 1 }), async (files) => {
          const result = await readRequirements('requirements.txt', readFrom(files));
          if (!result.ok) {
            expect(result.failure).not.to.have.length(0);
            return;
          }
          for (const path of [...result.value.files, ...result.value.localPaths]) {
            expect(path.startsWith('/') || path.split('/').includes('..'), path).to.equal(false);
          }
        }),
      );
      await fc.assert(
        fc.asyncProperty(fc.uint8Array(), async (bytes) => {
          await readRequirements('requirements.txt', async () => bytes);
          for (const path of ['requirements.txt', 'Pipfile.lock', 'poetry.lock']) await packagesOf(path, bytes);
        }),
      );
    });

    it('stays fast on long lines', async () => {
      for (const unit of ['a', ' ', '\\\n', '@' + COMMIT, '-r x ', '"', '[', ' #', '${A}', '=']) {
        await readRequirements(
          'requirements.txt',
          readFrom({ 'requirements.txt': unit.repeat(200_000 / unit.length) }),
        );
      }
    }).timeout(5000);
  });
});

describe('packages', () => {
  const packages = (path: string, text: string) => packagesOf(path, Buffer.from(text));

  it('reads only the own lines of a requirements file', async () => {
    expect(
      await packages(
        'reqs/requirements-prod.txt',
        '-r gone.txt\nFlask==3.0\nb>=1,<2\nc==1.*\nd @ https://example.com/d.zip',
      ),
    ).to.deep.equal({
      b: '>=1,<2',
      c: '==1.*',
      d: 'https://example.com/d.zip',
      flask: '3.0',
    });
  });

  it('reads Pipfile.lock', async () => {
    const lock = {
      default: { Flask: { version: '==3.0' }, a: { ref: 'abc', git: 'x' } },
      develop: { flask: { version: '==3.1' } },
    };
    expect(await packages('Pipfile.lock', JSON.stringify(lock))).to.deep.equal({ a: 'abc', flask: '3.0, 3.1' });
  });

  it('reads poetry.lock and uv.lock', async () => {
    const lock = '[[package]]\nname = "B"\nversion = "2"\n[[package]]\nname = "a"\nversion = "1"\n';
    expect(await packages('poetry.lock', lock)).to.deep.equal({ a: '1', b: '2' });
    expect(await packages('sub/uv.lock', lock)).to.deep.equal({ a: '1', b: '2' });
  });

  it('returns nothing for other and for broken files', async () => {
    expect(await packages('README.md', 'a==1')).to.equal(undefined);
    expect(await packages('uv.lock', '[[[')).to.equal(undefined);
    expect(await packages('Pipfile.lock', '{')).to.equal(undefined);
  });
});
