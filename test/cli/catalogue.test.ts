import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Finding } from '../../src/manifests/catalogue/audit.js';
import { FAMILIES } from '../../src/manifests/catalogue/families.js';
import type { PinFile } from '../../src/manifests/catalogue/pin-file.js';
import { pyflow, type FakeWorldOptions } from '../support/fake-world.js';
import { startServer, type TestServer } from '../support/http-server.js';

const NAME = 'python-3.13.15-ubuntu-24.04-amd64.tar.zst';
const BYTES = Buffer.from('the bytes of an archive');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const NOW = Date.parse('2026-09-01T12:00:00Z');

describe('cli/catalogue', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-catalogue-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const catalogue = (args: readonly string[], options: FakeWorldOptions = {}) =>
    pyflow(['catalogue', ...args], { cwd: root, now: NOW, ...options });

  it('lists the data files with their age', async () => {
    const { status, stdout } = await catalogue(['ls']);
    expect(status).to.equal(0);
    expect(stdout).to.match(/^python-releases +2026-08-22 +10 days +7 +Minor versions of Python$/m);
    expect(stdout).to.match(new RegExp(`^${Object.keys(FAMILIES).length} data files, digest [0-9a-f]{16}$`, 'm'));
    const { families } = JSON.parse((await catalogue(['ls', '--json'])).stdout) as { families: { name: string }[] };
    expect(families.map(({ name }) => name)).to.deep.equal(Object.keys(FAMILIES));
  });

  it('shows one as it is, and knows a mistyped name', async () => {
    expect(JSON.parse((await catalogue(['show', 'stacks'])).stdout)).to.deep.equal(FAMILIES.stacks);
    const wrong = await catalogue(['show', 'stack']);
    expect(wrong.status).to.equal(2);
    expect(wrong.stderr).to.contain('Did you mean stacks?');
  });

  describe('check', () => {
    it('ends with 0 while nothing is wrong, and says what is worth knowing', async () => {
      const { status, stdout } = await catalogue(['check']);
      expect(status).to.equal(0);
      expect(stdout).to.match(/^note: platform-pins: No archive .* \[unpinned\]$/m);
      expect(stdout).to.match(/^nothing is wrong, \d+ notes$/m);
    });

    it('ends with 2 when something is, by the clock and the age that is allowed', async () => {
      const late = { now: Date.parse('2028-01-01') };
      const { status, stdout } = await catalogue(['check'], late);
      expect(status).to.equal(2);
      expect(stdout).to.match(/^wrong: python-releases: Its facts are of .* \[stale\]$/m);
      expect(stdout).to.match(/^\d+ things to put right, \d+ notes$/m);
      const findings = JSON.parse((await catalogue(['check', '--json', '--max-age', '9'])).stdout) as Finding[];
      expect(findings.filter(({ problem }) => problem === 'stale').map(({ family }) => family)).to.include(
        'python-releases',
      );
    });

    it('reads the pins of the operator', async () => {
      writeFileSync(join(root, 'pins.json'), '{"archives":{"x":1}}');
      for (const options of [{ env: { PYFLOW_PINS: 'pins.json' } }, {}]) {
        const args = 'env' in options ? [] : ['--pins', join(root, 'pins.json')];
        const { status, stdout } = await catalogue(['check', ...args], options);
        expect(status).to.equal(2);
        expect(stdout).to.contain('archives["x"]: it is not an object. [bad-pin]');
      }
      const missing = await catalogue(['check', '--pins', 'none.json']);
      expect(missing.status).to.equal(2);
      expect(missing.stderr).to.contain('none.json cannot be read');
    });
  });

  it('refuses verbs, operands and options that do not go together', async () => {
    for (const [args, said] of [
      [['chekc'], 'Did you mean check?'],
      [['ls', 'x'], 'There is nothing for "x" to be.'],
      [['show'], 'needs a NAME'],
      [['pin'], 'needs the URL or FILE'],
      [['check', '--replace'], 'takes no --replace'],
      [['check', '--max-age', 'x'], '"x" is no number of days'],
      [['pin', 'x'], '--pins FILE or PYFLOW_PINS'],
      [['pin', 'x', '--pins', 'p', '--sha256', 'x'], '"x" is no SHA-256'],
    ] as const) {
      const { status, stderr } = await catalogue(args);
      expect(status, args.join(' ')).to.equal(2);
      expect(stderr).to.contain(said);
    }
  });

  describe('pin', () => {
    let server: TestServer;
    let bytes: Buffer;
    beforeEach(async () => {
      bytes = BYTES;
      server = await startServer((request, response) => {
        if (request.url?.endsWith(NAME)) response.end(bytes);
        else response.writeHead(404).end();
      });
    });
    afterEach(() => server.close());
    const pin = (place: string, ...args: string[]) =>
      catalogue(['pin', place, '--pins', 'pins.json', '--cache-dir', join(root, 'cache'), ...args]);
    const pins = (): PinFile => JSON.parse(readFileSync(join(root, 'pins.json'), 'utf8')) as PinFile;

    it('digests what a URL gives, makes the file, and tells how to use it', async () => {
      const { status, stdout } = await pin(`${server.origin.replace('//', '//me:secret@')}/${NAME}`);
      expect(status).to.equal(0);
      expect(stdout).to.contain(`${NAME} is pinned in pins.json: ${sha256(BYTES)}, 23 B`);
      expect(stdout).to.contain('PYFLOW_PINS');
      expect(pins()).to.include.keys('about', 'source').and.to.include({ retrieved: '2026-09-01' });
      expect(pins().archives).to.deep.equal({
        [NAME]: { sha256: sha256(BYTES), sizeBytes: 23, from: `${server.origin}/${NAME}`, pinned: '2026-09-01' },
      });
      expect(readdirSync(join(root, 'cache/downloads'))).to.include(sha256(BYTES));
    });

    it('takes a file as well, and keeps what else stands in the pin file', async () => {
      writeFileSync(join(root, NAME), BYTES);
      const other = { 'python-3.9.1-ubuntu-22.04-amd64.tar.zst': { sha256: 'b'.repeat(64), sizeBytes: 1 } };
      writeFileSync(join(root, 'pins.json'), JSON.stringify({ about: 'ours', more: 1, archives: other }));
      expect((await pin(NAME)).status).to.equal(0);
      expect(pins()).to.include({ about: 'ours', more: 1 });
      expect(Object.keys(pins().archives)).to.deep.equal([NAME, ...Object.keys(other)]);
      expect((await pin(NAME)).stdout).to.contain('was pinned already');
    });

    it('refuses another digest than the pinned or the given one, until told to replace it', async () => {
      const url = `${server.origin}/${NAME}`;
      await pin(url);
      bytes = Buffer.from('other bytes');
      const changed = await pin(url);
      expect(changed.status).to.equal(75);
      expect(changed.stderr).to.contain('catalogue::other-digest');
      expect(pins().archives[NAME]?.sha256).to.equal(sha256(BYTES));
      expect((await pin(url, '--replace')).status).to.equal(0);
      expect(pins().archives[NAME]?.sha256).to.equal(sha256(bytes));
      expect((await pin(url, '--sha256', sha256(BYTES))).status).to.equal(75);
      expect((await pin(url, '--sha256', sha256(bytes).toUpperCase())).status).to.equal(0);
    });

    it('writes nothing for what it cannot fetch, does not know by name, or may not write', async () => {
      for (const [place, status, code] of [
        [`${server.origin}/python-3.1.1-ubuntu-24.04-amd64.tar.zst`, 75, 'download::not-found'],
        [`http://127.0.0.1:9/${NAME}`, 75, 'download::host-unreachable'],
        [`${server.origin}/python.tar.zst`, 2, 'catalogue::not-an-archive'],
        [`${server.origin}/%E0%A4%A`, 2, 'catalogue::not-an-archive'],
        ['missing/' + NAME, 75, 'download::not-found'],
      ] as const) {
        const ran = await pin(place);
        expect(ran.status, place).to.equal(status);
        expect(ran.stderr).to.contain(code);
      }
      expect(existsSync(join(root, 'pins.json'))).to.equal(false);
      writeFileSync(join(root, 'pins.json'), '{');
      expect((await pin(`${server.origin}/${NAME}`)).stderr).to.contain('catalogue::bad-pin-file');
      expect(readdirSync(join(root)).filter((name) => name.startsWith('pins.json'))).to.deep.equal(['pins.json']);
    });
  });
});
