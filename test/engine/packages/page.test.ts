import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  MOST_PAGE_BYTES,
  parseProjectPage,
  renderProjectPage,
  type PageFile,
  type PageForm,
  type ProjectPage,
} from '../../../src/engine/packages/page.js';

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';
const URL_OF_PAGE = 'https://index.example/simple/a-b/';
const DIGEST = 'ab'.repeat(32);

const parse = (body: string | Buffer, contentType = 'text/html', url = URL_OF_PAGE) =>
  parseProjectPage({ body: Buffer.from(body), contentType, url, project: 'A.b' });

function pageOf(body: string | Buffer, contentType?: string, url?: string): ProjectPage {
  const parsed = parse(body, contentType, url);
  if (!parsed.ok) throw new Error(parsed.failure.detail);
  return parsed.value;
}

const problemOf = (...of: Parameters<typeof parse>): string | undefined => {
  const parsed = parse(...of);
  return parsed.ok ? undefined : parsed.failure.kind;
};

const jsonPage = (files: unknown, more: object = {}): string =>
  JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'a-b', files, ...more });

describe('pages of an index', () => {
  it('reads an HTML page with relative addresses, a base, entities and all attributes', () => {
    const page = pageOf(`<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3">
      <base href="/files/"></head><body><!-- <a href="no-1.whl">no</a> -->
      <script>"<a href='no-2.whl'>"</script>
      <a href="../a_b-1.0-py3-none-any.whl#SHA256=${DIGEST.toUpperCase()}" data-requires-python="&gt;=3.8&#44;&lt;4"
         data-yanked="broken &amp; old" data-core-metadata="sha256=${DIGEST}" data-provenance="p/1">a_b</a>
      <A HREF='a_b-1.0%2Blocal.tar.gz#egg=a&md5=0123456789abcdef0123456789abcdef' data-yanked data-dist-info-metadata=true>
      <a name="top">no address</a><a href="javascript:alert(1)">no</a><a href="file:///etc/passwd">no</a></body></html>`);
    expect(page).to.deep.equal({
      project: 'a-b',
      files: [
        {
          filename: 'a_b-1.0-py3-none-any.whl',
          url: 'https://index.example/a_b-1.0-py3-none-any.whl',
          sha256: DIGEST,
          hashes: { sha256: DIGEST },
          requiresPython: '>=3.8,<4',
          yanked: 'broken & old',
          metadata: { sha256: DIGEST },
          provenance: 'https://index.example/files/p/1',
        },
        {
          filename: 'a_b-1.0+local.tar.gz',
          url: 'https://index.example/files/a_b-1.0%2Blocal.tar.gz',
          hashes: { md5: '0123456789abcdef0123456789abcdef' },
          yanked: '',
          metadata: true,
        },
      ],
      apiVersion: '1.3',
    });
  });

  it('reads a JSON page with sizes, upload times, versions and a status', () => {
    const file = {
      filename: 'a_b-1.0.tar.gz',
      url: '../../files/a_b-1.0.tar.gz#x',
      hashes: { sha256: DIGEST },
      'requires-python': null,
      yanked: true,
      'upload-time': '2024-02-29T12:30:45.123456Z',
      size: 12,
      'core-metadata': { sha256: DIGEST },
      provenance: null,
    };
    const more = { versions: ['1.0', 2], 'project-status': { status: 'quarantined', reason: 'bad' } };
    expect(pageOf(jsonPage([file], more), `${JSON_TYPE}; charset=utf-8`)).to.deep.equal({
      project: 'a-b',
      files: [
        {
          filename: 'a_b-1.0.tar.gz',
          url: 'https://index.example/files/a_b-1.0.tar.gz',
          sha256: DIGEST,
          hashes: { sha256: DIGEST },
          yanked: '',
          uploadTime: Date.UTC(2024, 1, 29, 12, 30, 45, 123),
          size: 12,
          metadata: { sha256: DIGEST },
        },
      ],
      versions: ['1.0'],
      apiVersion: '1.1',
      status: { status: 'quarantined', reason: 'bad' },
    });
  });

  it('leaves out files that no installer could use', () => {
    const good = { filename: 'a_b-1.whl', url: 'a_b-1.whl', hashes: {} };
    const bad = [
      { ...good, filename: '../a_b-1.whl' },
      { ...good, filename: 'a\u001b[2Jb' },
      { ...good, filename: 7 },
      { ...good, url: 'ftp://x/a_b-1.whl' },
      { ...good, url: 'https://[bad' },
      { ...good, hashes: { sha256: 'short' } },
      { ...good, hashes: { sha256: 5 } },
      undefined,
      [],
    ];
    expect(pageOf(jsonPage([...bad, good]), JSON_TYPE).files.map(({ filename }) => filename)).to.deep.equal([
      'a_b-1.whl',
    ]);
  });

  it('drops the fields that have a wrong type', () => {
    const [file] = pageOf(
      jsonPage([
        {
          filename: 'a_b-1.whl',
          url: 'a_b-1.whl',
          hashes: { __proto__: 'x', 'no spaces!': 'y' },
          size: -1,
          'upload-time': 'yesterday',
          'requires-python': ['>=3'],
          yanked: {},
          'core-metadata': 'yes',
          provenance: 'data:text/html,x',
        },
      ]),
      JSON_TYPE,
    ).files;
    expect(file).to.deep.equal({
      filename: 'a_b-1.whl',
      url: 'https://index.example/simple/a-b/a_b-1.whl',
      hashes: {},
      yanked: false,
      metadata: false,
    });
  });

  it('refuses pages that are too large, of another type, of a later protocol, or not readable', () => {
    expect(problemOf('{}', 'application/json')).to.equal('content-type');
    expect(problemOf('{', JSON_TYPE)).to.equal('not-readable');
    expect(problemOf('[]', JSON_TYPE)).to.equal('not-readable');
    expect(problemOf(jsonPage({}), JSON_TYPE)).to.equal('not-readable');
    expect(problemOf(jsonPage([], { meta: { 'api-version': '2.0' } }), JSON_TYPE)).to.equal('api-version');
    expect(problemOf('<meta name="pypi:repository-version" content="2.0">')).to.equal('api-version');
    expect(problemOf('<base href="ftp://x/">')).to.equal('not-readable');
    expect(problemOf('', 'text/html', 'file:///x')).to.equal('not-readable');
    expect(problemOf(Buffer.alloc(MOST_PAGE_BYTES + 1, 32))).to.equal('too-large');
    expect(problemOf(jsonPage(Array(250_001).fill(0)), JSON_TYPE)).to.equal('too-many-files');
    expect(problemOf('<a href=x>'.repeat(250_001))).to.equal('too-many-files');
  });

  it('takes linear time for pages made to be slow', () => {
    const hostile = [
      '<a ',
      '<a href="',
      '<b>',
      '</b',
      '<!--',
      '&amp',
      '&#x',
      '<a href=x ',
      '<script>',
      '<a a=',
      '<![CDATA[',
      '"',
    ];
    for (const piece of hostile) {
      const started = performance.now();
      parse(piece.repeat(Math.ceil(2_000_000 / piece.length)));
      expect(performance.now() - started, piece).to.be.below(3000);
    }
    const deep = '['.repeat(1_000_000);
    expect(problemOf(deep, JSON_TYPE)).to.equal('not-readable');
  });

  it('reads back what it renders as JSON', () => {
    fc.assert(fc.property(anyPage(anyFile), (page) => expectRoundTrip(page, 'json')));
  });

  it('reads back what it renders as HTML, but for what HTML has no room for', () => {
    const inHtml = anyFile.map(({ uploadTime: _time, size: _size, ...file }): PageFile => {
      const [algorithm = '', digest = ''] = Object.entries(file.hashes)[0] ?? [];
      const hashes = algorithm === '' ? {} : { [algorithm]: digest };
      const { sha256: _sha256, ...rest } = file;
      const url = new URL(encodeURIComponent(file.filename), 'https://files.example/p/').href;
      return { ...rest, url, hashes, ...(hashes['sha256'] !== undefined && { sha256: hashes['sha256'] }) };
    });
    fc.assert(fc.property(anyPage(inHtml), ({ versions: _versions, ...page }) => expectRoundTrip(page, 'html')));
  });

  it('never throws, whatever the bytes are', () => {
    const types = fc.constantFrom(JSON_TYPE, 'text/html', 'application/vnd.pypi.simple.v1+html', '');
    const words = fc.constantFrom(
      '<a ',
      'href="',
      '"',
      '>',
      '&#0;',
      '&#x110000;',
      '<base ',
      '\0',
      'x.whl',
      '#sha256=',
      '\ud800',
    );
    const texts = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.array(words, { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
      fc.json().map((json) => Buffer.from(json)),
      fc
        .array(fc.object({ key: fc.constantFrom('filename', 'url', 'hashes', 'yanked', 'sha256') }))
        .map((files) => Buffer.from(jsonPage(files))),
    );
    fc.assert(
      fc.property(texts, types, (body, contentType) => {
        const parsed = parse(body, contentType);
        if (parsed.ok) expectRoundTrip(parsed.value, 'json');
      }),
    );
  });
});

function expectRoundTrip(page: ProjectPage, form: PageForm): void {
  const { body, contentType } = renderProjectPage(page, form);
  const again = parseProjectPage({ body, contentType, url: 'https://other.example/x/', project: page.project });
  expect(again).to.deep.equal({ ok: true, value: page });
}

const hexadecimal = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
/** Without control characters, as the model has texts. */
const text = fc
  .string({ unit: 'binary', maxLength: 30 })
  .map((written) => written.replaceAll(/[\p{C}\u2028\u2029\u061c]/gu, ''));
const filename = text.map((name) => `a${name.replaceAll(/[/\\]/g, '')}.whl`);
const address = fc.webUrl({ withQueryParameters: true }).map((url) => new URL(url).href);

const anyFile: fc.Arbitrary<PageFile> = fc
  .record(
    {
      filename,
      url: address,
      hashes: fc.oneof(
        fc.record({ sha256: hexadecimal(64), md5: hexadecimal(32) }, { requiredKeys: [] }),
        fc.record({ sha512: hexadecimal(128) }),
      ),
      requiresPython: text.filter((written) => written !== ''),
      yanked: fc.oneof(fc.constant(false as const), text),
      uploadTime: fc.integer({ min: 0, max: 4e12 }),
      size: fc.maxSafeNat(),
      metadata: fc.oneof(fc.boolean(), fc.record({ sha256: hexadecimal(64) })),
      provenance: address,
    },
    { requiredKeys: ['filename', 'url', 'hashes', 'yanked', 'metadata'] },
  )
  .map((file) => {
    const hashes = { ...file.hashes } as Record<string, string>;
    return { ...file, hashes, ...(hashes['sha256'] !== undefined && { sha256: hashes['sha256'] }) };
  });

const anyPage = (file: fc.Arbitrary<PageFile>): fc.Arbitrary<ProjectPage> =>
  fc.record(
    {
      project: fc.constant('a-b'),
      files: fc.array(file, { maxLength: 5 }),
      versions: fc.array(fc.constantFrom('1.0', '2.0rc1'), { maxLength: 3 }),
      apiVersion: fc.constantFrom('1.0', '1.1', '1.3'),
      status: fc.record(
        { status: fc.constantFrom('archived', 'quarantined'), reason: text.filter((written) => written !== '') },
        { requiredKeys: ['status'] },
      ),
    },
    { requiredKeys: ['project', 'files', 'apiVersion'] },
  );
