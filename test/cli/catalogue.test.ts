import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Finding } from '../../src/manifests/catalogue/audit.js';
import { FAMILIES } from '../../src/manifests/catalogue/families.js';
import type { Pin } from '../../src/manifests/catalogue/pin-file.js';
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

  it('shows a data file, and suggests one for a mistyped name', async () => {
    expect(JSON.parse((await catalogue(['show', 'stacks'])).stdout)).to.deep.equal(FAMILIES.stacks);
    const wrong = await catalogue(['show', 'stack']);
    expect(wrong.status).to.equal(2);
    expect(wrong.stderr).to.contain('Did you mean stacks?');
  });

  describe('check', () => {
    it('exits with 0 if there are no problems, and prints notes', async () => {
      const { status, stdout } = await catalogue(['check']);
      expect(status).to.equal(0);
      expect(stdout).to.match(/^note: platform-pins: No platform archive .* \[unpinned\]$/m);
      expect(stdout).to.match(/^no problems, \d+ notes$/m);
    });

    it('exits with 2 if data is older than --max-age', async () => {
      const late = { now: Date.parse('2028-01-01') };
      const { status, stdout } = await catalogue(['check'], late);
      expect(status).to.equal(2);
      expect(stdout).to.match(/^wrong: python-releases: The data is \d+ days old .* \[stale\]$/m);
      expect(stdout).to.match(/^\d+ problems, \d+ notes$/m);
      const findings = JSON.parse((await catalogue(['check', '--json', '--max-age', '9'])).stdout) as Finding[];
      expect(findings.filter(({ problem }) => problem === 'stale').map(({ family }) => family)).to.include(
        'python-releases',
      );
    });

    it('reads the pin file of the operator', async () => {
      writeFileSync(join(root, 'pins.json'), '{"archives":{"x":1}}');
      for (const options of [{ env: { PYFLOW_PINS: 'pins.json' } }, {}]) {
        const args = 'env' in options ? [] : ['--pins', join(root, 'pins.json')];
        const { status, stdout } = await catalogue(['check', ...args], options);
        expect(status).to.equal(2);
        expect(stdout).to.contain('archives["x"]: the entry must be an object. [bad-pin]');
      }
      const missing = await catalogue(['check', '--pins', 'none.json']);
      expect(missing.status).to.equal(2);
      expect(missing.stderr).to.contain("can't read the pin file none.json");
    });
  });

  it('refuses operands and options that do not belong to the subcommand', async () => {
    for (const [args, said] of [
      [['chekc'], 'Did you mean check?'],
      [['ls', 'x'], 'Unexpected argument "x".'],
      [['show'], 'needs a NAME'],
      [['pin'], 'needs the URL or FILE'],
      [['check', '--replace'], 'has no option --replace'],
      [['check', '--max-age', 'x'], '--max-age does not accept "x"'],
      [['pin', 'x'], '--pins FILE or PYFLOW_PINS'],
      [['pin', 'x', '--pins', 'p', '--sha256', 'x'], '--sha256 does not accept "x"'],
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
    const pins = () =>
      JSON.parse(readFileSync(join(root, 'pins.json'), 'utf8')) as { readonly archives: Readonly<Record<string, Pin>> };

    it('pins the archive at a URL, creates the file, and says how to use it', async () => {
      const { status, stdout } = await pin(`${server.origin.replace('//', '//me:secret@')}/${NAME}`);
      expect(status).to.equal(0);
      expect(stdout).to.contain(`${NAME} is now pinned in pins.json: ${sha256(BYTES)}, 23 B`);
      expect(stdout).to.contain('PYFLOW_PINS');
      expect(pins()).to.include.keys('about', 'source').and.to.include({ retrieved: '2026-09-01' });
      expect(pins().archives).to.deep.equal({
        [NAME]: { sha256: sha256(BYTES), sizeBytes: 23, from: `${server.origin}/${NAME}`, pinned: '2026-09-01' },
      });
      expect(readdirSync(join(root, 'cache/downloads'))).to.include(sha256(BYTES));
    });

    it('accepts a file, and keeps the other entries of the pin file', async () => {
      writeFileSync(join(root, NAME), BYTES);
      const other = { 'python-3.9.1-ubuntu-22.04-amd64.tar.zst': { sha256: 'b'.repeat(64), sizeBytes: 1 } };
      writeFileSync(join(root, 'pins.json'), JSON.stringify({ about: 'ours', more: 1, archives: other }));
      expect((await pin(NAME)).status).to.equal(0);
      expect(pins()).to.include({ about: 'ours', more: 1 });
      expect(Object.keys(pins().archives)).to.deep.equal([NAME, ...Object.keys(other)]);
      expect((await pin(NAME)).stdout).to.contain('was already pinned');
    });

    it('refuses a digest that differs from the pinned or the expected one, unless --replace is given', async () => {
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

    it('writes nothing if the download fails, the name is unknown or the file is not writable', async () => {
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
