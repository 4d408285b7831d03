import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { auditCatalogue, type AuditOptions, type CatalogueData } from '../../../src/manifests/catalogue/audit.js';
import { FAMILIES } from '../../../src/manifests/catalogue/families.js';
import { parsePins } from '../../../src/manifests/catalogue/pin-file.js';
import {
  findPlatformArchive,
  latestPlatformArchive,
  platformArchiveName,
  SHIPPED_PINS,
  versionIn,
} from '../../../src/manifests/catalogue/platform-archives.js';

// eslint-disable-next-line typescript/no-explicit-any -- edits reach into data of any shape
type Loose = Record<string, any>;

const DIGEST = 'a'.repeat(64);
/** A day on which the shipped data is recent. */
const NOW = Date.parse('2026-09-01');

/** The shipped data, after an edit of a deep copy. */
function edited(edit: (data: Loose) => void = () => undefined): CatalogueData {
  const data = structuredClone(FAMILIES) as Loose;
  edit(data);
  return data as CatalogueData;
}
const audit = (edit?: (data: Loose) => void, options: Partial<AuditOptions> = {}) =>
  auditCatalogue(edited(edit), { now: NOW, maxAgeDays: 90, ...options });
/** `level family problem` of what an edit adds. */
function added(edit: (data: Loose) => void, options: Partial<AuditOptions> = {}) {
  const shown = (findings: ReturnType<typeof audit>) =>
    findings.map(({ level, family, problem, what }) => ({ line: `${level} ${family} ${problem}`, what }));
  const before = new Set(shown(audit(undefined, options)).map(({ line, what }) => line + what));
  return shown(audit(edit, options)).filter(({ line, what }) => !before.has(line + what));
}

describe('catalogue audit', () => {
  it('knows every data file by its name', () => {
    const folder = fileURLToPath(new URL('../../../src/manifests/catalogue/data', import.meta.url));
    const files = readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.json'));
    expect(Object.keys(FAMILIES)).to.deep.equal(files.map((name) => name.replace(/\.json$/, '')).sort());
  });

  it('finds nothing wrong in the shipped data while it is recent', () => {
    expect(audit().filter(({ level }) => level === 'wrong')).to.deep.equal([]);
  });

  it('calls data stale when its facts are older than the limit', () => {
    const stale = (now: string, maxAgeDays = 90) =>
      audit(undefined, { now: Date.parse(now), maxAgeDays }).flatMap(({ problem, family, what }) =>
        problem === 'stale' ? [`${family}: ${what}`] : [],
      );
    expect(stale('2026-11-20')).not.to.include.members(['python-releases: The data is 90 days old (2026-08-22).']);
    expect(stale('2026-11-21')).to.include('python-releases: The data is 91 days old (2026-08-22).');
    expect(stale('2026-11-21', 10_000)).to.deep.equal([]);
    expect(stale('2099-01-01').some((line) => line.startsWith('platform-pins'))).to.equal(false);
  });

  it('requires about, source and retrieved in every file', () => {
    for (const field of ['about', 'source', 'retrieved']) {
      const found = added((data) => delete data['stacks'][field]);
      expect(
        found.map(({ line }) => line),
        field,
      ).to.deep.equal(['wrong stacks incomplete-head']);
    }
  });

  it('reports minors past their end of life, as a note before their announced date and as wrong after it', () => {
    const of = (now: string) =>
      audit(undefined, { now: Date.parse(now), maxAgeDays: 9999 })
        .filter(({ problem }) => problem === 'minor-past-end-of-life')
        .map(({ level, what }) => `${level} ${what.split(' has')[0]}`);
    expect(of('2026-10-31')).to.deep.equal([]);
    expect(of('2026-11-01')).to.deep.equal(['note Python 3.10']);
    expect(of('2027-01-06')).to.deep.equal(['wrong Python 3.10']);
    expect(of('2027-11-01')).to.deep.equal(['wrong Python 3.10', 'wrong Python 3.11']);
  });

  it('reports a released minor that is not supported', () => {
    const found = audit(undefined, { now: Date.parse('2026-10-01'), maxAgeDays: 9999 });
    expect(found.filter(({ problem }) => problem === 'minor-released').map(({ what }) => what)).to.deep.equal([
      'Python 3.15 was released on 2026-10-01 according to the data, but is not supported yet.',
    ]);
  });

  it('reports deprecated, ended and unknown defaults', () => {
    for (const minor of ['3.10', '3.9', '3.99'])
      expect(
        added((data) => (data['python-releases'].default = minor)).map(({ line }) => line),
        minor,
      ).to.deep.equal(['wrong python-releases default-deprecated']);
    expect(added((data) => (data['stacks'].default = 'scalingo-20'))[0]?.line).to.equal(
      'wrong stacks default-deprecated',
    );
  });

  it('reports stacks that the platform has ended', () => {
    const of = (now: string) =>
      audit(undefined, { now: Date.parse(now), maxAgeDays: 9999 }).filter(
        ({ problem }) => problem === 'stack-past-end',
      );
    expect(of('2027-05-31').map(({ what }) => what)).to.deep.equal([
      'The platform ended the stack heroku-22 in 2027-04, but it is still accepted.',
    ]);
    expect(of('2027-06-01')).to.have.length(2);
  });

  it('reports stacks whose packages are unknown', () => {
    const stack = { name: 'scalingo-28', status: 'accepted', distro: 'ubuntu', release: '28.04', arch: [] };
    const found = added((data) => data['stacks'].stacks.push(stack));
    expect(found.map(({ line }) => line)).to.deep.equal(['wrong distributions no-distribution']);
    expect(found[0]?.what).to.contain('packages of ubuntu 28.04');
  });

  it('reports a newest patch without a build for some platform', () => {
    const found = added(
      (data) => (data['python-releases'].minors.find((row: Loose) => row.minor === '3.13').latest.x = '3.13.99'),
    );
    expect(found.map(({ line }) => line)).to.include('wrong python-runtimes no-artifact');
    expect(found.map(({ what }) => what).join())
      .to.include('3.13.99')
      .and.to.include('linux-x86_64-gnu, linux-aarch64-gnu');
    const one = added((data) => delete data['python-runtimes'].runtimes['3.13.15']['macos-aarch64']);
    expect(one.map(({ what }) => what).join()).to.match(/has no build for macos-aarch64\./);
  });

  it('reports builds without a digest', () => {
    const found = added((data) => (data['python-runtimes'].runtimes['3.12.4']['linux-x86_64-gnu'][2] = ''));
    expect(found).to.deep.equal([
      {
        line: 'wrong python-runtimes unsigned',
        what: 'The build of Python 3.12.4 for linux-x86_64-gnu has no SHA-256.',
      },
    ]);
  });

  it('reports tool versions without a lock for a supported minor, or with a lock without digests', () => {
    const lines = ['pip==1.0', 'other==2.0 ; sys_platform == "linux"'];
    const hashes = { 'pip==1.0': [DIGEST], 'other==2.0': [DIGEST] };
    const minors = ['3.10', '3.11', '3.12', '3.13', '3.14'];
    const locks = (without: string, digests: object) => (data: Loose) => {
      data['tools'].tools = { pip: { version: '1.0' } };
      const versions = {
        '1.0': Object.fromEntries(minors.filter((minor) => minor !== without).map((minor) => [minor, lines])),
      };
      data['tool-locks/pip'] = { about: '', source: ['x'], retrieved: '2026-08-30', versions, hashes: digests };
    };
    expect(added(locks('', hashes))).to.deep.equal([]);
    expect(added(locks('3.12', hashes)).map(({ line, what }) => `${line}: ${what}`)).to.deep.equal([
      'wrong tool-locks/pip no-lock: pip 1.0 is not locked for Python 3.12.',
    ]);
    expect(added(locks('', { 'pip==1.0': [DIGEST] })).map(({ line, what }) => `${line}: ${what}`)).to.deep.equal([
      'wrong tool-locks/pip unsigned: The lock of pip 1.0 has no SHA-256 for other==2.0.',
    ]);
    const unlocked = added((data) => (data['tools'].tools.poetry.version = '99.0'));
    expect(unlocked.map(({ what }) => what)).to.deep.equal([
      'poetry 99.0 is not locked for Python 3.10, 3.11, 3.12, 3.13, 3.14.',
    ]);
  });

  it('reports unpinned platform archives, with regard to the pins of the operator', () => {
    const unpinned = (options: Partial<AuditOptions>, edit?: (data: Loose) => void) =>
      audit(edit, options).flatMap(({ problem, what }) => (problem === 'unpinned' ? [what] : []));
    expect(unpinned({})[0]).to.match(/ubuntu 22\.04 on amd64 .*3\.13\.15/);
    const pin = { sha256: DIGEST, sizeBytes: 1 };
    const archives = { 'python-3.13.15-ubuntu-22.04-amd64.tar.zst': pin };
    const text = JSON.stringify({ archives });
    expect(unpinned({ operatorPins: { file: 'pins.json', text } })[0]).not.to.include('3.13.15');
    expect(unpinned({}, (data) => (data['platform-pins'].archives = archives))[0]).not.to.include('3.13.15');
    const ended = { 'python-3.9.1-ubuntu-22.04-amd64.tar.zst': pin };
    expect(added((data) => (data['platform-pins'].archives = ended)).map(({ line }) => line)).to.deep.equal([
      'note platform-pins pin-of-ended-minor',
    ]);
    expect(added(() => undefined, {}).length).to.equal(0);
    expect(added((data) => (data['platform-pins'].archives = { x: {} })).map(({ line }) => line)).to.deep.equal([
      'wrong platform-pins bad-pin',
      'wrong platform-pins bad-pin',
    ]);
  });
});

describe('pin files', () => {
  const pin = { sha256: DIGEST, sizeBytes: 12, from: 'https://host/x', pinned: '2026-11-21' };
  it('accepts valid entries, and reports every problem with its place', () => {
    expect(parsePins(JSON.stringify({ about: 'x', archives: { a: pin } }))).to.deep.equal({
      ok: true,
      pins: { a: pin },
    });
    const wrong = { a: { ...pin, sha256: DIGEST.toUpperCase() }, b: { ...pin, sizeBytes: 0, extra: 1 }, c: 'x' };
    expect(parsePins(JSON.stringify({ archives: wrong }))).to.deep.equal({
      ok: false,
      problems: [
        'archives["a"]: `sha256` must be 64 lower-case hexadecimal digits.',
        'archives["b"]: `sizeBytes` must be a positive integer.',
        'archives["b"]: unknown field `extra`.',
        'archives["c"]: the entry must be an object.',
      ],
    });
    for (const text of ['', '[]', '{}', '{"archives":[]}']) expect(parsePins(text).ok, text).to.equal(false);
  });

  it('accepts the shipped pins', () => {
    expect(parsePins(JSON.stringify(FAMILIES['platform-pins'])).ok).to.equal(true);
    for (const name of Object.keys(SHIPPED_PINS)) expect(versionIn(name), name).not.to.equal(undefined);
  });

  it('[python.url] names archives like the platform, by stack and architecture', () => {
    const target = { stack: 'scalingo-24', arch: 'x64' };
    expect(platformArchiveName('3.13.2', target)).to.equal('python-3.13.2-ubuntu-24.04-amd64.tar.zst');
    expect(platformArchiveName('3.13.2', { stack: 'heroku-26', arch: 'arm64' })).to.equal(
      'python-3.13.2-ubuntu-26.04-arm64.tar.zst',
    );
    for (const other of [
      { ...target, stack: 'scalingo-99' },
      { ...target, stack: 'cedar-14' },
      { ...target, arch: 's390x' },
    ])
      expect(platformArchiveName('3.13.2', other)).to.equal(undefined);
    const pins = { 'python-3.13.2-ubuntu-24.04-amd64.tar.zst': pin, 'python-3.13.10-ubuntu-24.04-amd64.tar.zst': pin };
    expect(findPlatformArchive('3.13.2', target, pins)).to.include({
      url: `${FAMILIES['platform-archives'].base}/python-3.13.2-ubuntu-24.04-amd64.tar.zst`,
      sha256: DIGEST,
    });
    expect(latestPlatformArchive('3.13', target, pins)?.version).to.equal('3.13.10');
    expect(latestPlatformArchive('3.1', target, pins)).to.equal(undefined);
    expect(findPlatformArchive('3.13.3', target, pins)).to.equal(undefined);
    for (const name of ['python-3.13-ubuntu-24.04-amd64.tar.zst', 'x', 'python-3.13.2-ubuntu-24.04-amd64.tar.gz'])
      expect(versionIn(name), name).to.equal(undefined);
  });
});
