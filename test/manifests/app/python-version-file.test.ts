import { expect } from 'chai';
import * as fc from 'fast-check';
import {
  MISSPELLED_PYTHON_VERSION_NAMES,
  namesLikePythonVersion,
  parsePythonVersionFile,
} from '../../../src/manifests/app/python-version-file.js';
import { compareMinors, parsePythonRequest } from '../../../src/manifests/app/python-version.js';

const parse = (content: string | Uint8Array) =>
  parsePythonVersionFile(typeof content === 'string' ? Buffer.from(content) : content);
const version = (content: string) => {
  const result = parse(content);
  return result.ok ? result.value.text : result.failure;
};

describe('python-version-file', () => {
  it('reads a minor version', () => {
    expect(parse('3.13\n')).to.deep.equal({ ok: true, value: { text: '3.13', minor: '3.13' } });
  });

  it('reads an exact version', () => {
    expect(parse('3.13.2')).to.deep.equal({ ok: true, value: { text: '3.13.2', minor: '3.13', version: '3.13.2' } });
  });

  it('[pyver.lines-trimmed] drops comments, empty lines and outer blanks, including Unicode blanks', () => {
    expect(version('# a comment\r\n\r\n   # indented\n \u2003 3.12\u3000\t\r\n')).to.equal('3.12');
  });

  it('[pyver.lines-trimmed] does not trim non-breaking spaces, which make the line invalid', () => {
    expect(version('3.12\u00A0')).to.have.property('type', 'invalid-version');
  });

  it('[pyver.lines-trimmed] shows a NUL byte', () => {
    expect(version('3.1\x002')).to.deep.equal({ type: 'invalid-version', line: '3.1\u24002' });
  });

  for (const line of [
    '3',
    '3.x',
    '3.12.*',
    '>=3.12',
    '"3.12"',
    'python-3.12',
    '3.12 # comment',
    'v3.12',
    '03.12',
    '3.012',
    '3.12.01',
    '3.12.1.1',
    '3.13t',
    'pypy3.10',
    '3.1234567890',
  ]) {
    it(`[pyver.file-invalid-version] refuses ${line}`, () => {
      expect(version(`${line}\n`)).to.deep.equal({ type: 'invalid-version', line });
    });
  }

  it('[pyver.file-invalid-version] shows at most 100 characters and nothing invisible', () => {
    expect(version(`\u202E\x1b[31m${'x'.repeat(200)}`)).to.deep.equal({
      type: 'invalid-version',
      line: `\uFFFD\uFFFD[31m${'x'.repeat(94)}`,
    });
  });

  const encoded: readonly (readonly [string, Uint8Array])[] = [
    ['UTF-8 with a byte order mark', Buffer.from('\uFEFF3.13\n')],
    ['UTF-16, little-endian', Buffer.from('\uFEFF3.13\r\n', 'utf16le')],
    ['UTF-16, little-endian', Buffer.from('3.13\r\n', 'utf16le')],
    ['UTF-16, big-endian', Buffer.from('\uFEFF3.13\n', 'utf16le').swap16()],
    ['UTF-16, big-endian', Buffer.from('3.13\n', 'utf16le').swap16()],
    ['UTF-32, little-endian', Buffer.from([0xff, 0xfe, 0, 0, 0x33, 0, 0, 0])],
    ['an 8-bit encoding, such as ISO-8859-1', Buffer.from('3.13 caf\xe9\n', 'latin1')],
    ['an 8-bit encoding, such as Windows-1252', Buffer.from('\x933.13\x94\n', 'latin1')],
  ];
  for (const [encoding, bytes] of encoded) {
    it(`[pyver.file-encoding] names ${encoding} (${bytes.length} bytes)`, () => {
      expect(parse(bytes)).to.deep.equal({ ok: false, failure: { type: 'invalid-encoding', encoding } });
    });
  }

  it('[pyver.file-encoding-probe] accepts a valid version in any encoding, and checks the encoding only afterwards', () => {
    expect(version('# caf\xe9\n3.13')).to.equal('3.13');
    expect(parse(Buffer.from('# caf\xe9\n3.13\n', 'latin1'))).to.have.property('ok', true);
  });

  it('[pyver.file-invalid-version] calls binary data an invalid version, not an encoding', () => {
    expect(parse(Buffer.from([0x80, 0x00, 0x01, 0xff, 0x02]))).to.have.nested.property(
      'failure.type',
      'invalid-version',
    );
  });

  it('[pyver.file-no-version] finds none in an empty file or one with only comments', () => {
    for (const content of ['', '\n\n', '# 3.13\n  # 3.12'])
      expect(version(content)).to.deep.equal({ type: 'no-version' });
  });

  it('[pyver.file-multiple] lists all versions', () => {
    expect(version('3.12\n3.13.1\n')).to.deep.equal({ type: 'multiple-versions', versions: ['3.12', '3.13.1'] });
  });

  it('[pyver.file-every-line-validated] reports an invalid line rather than several versions', () => {
    expect(version('3.12\n3.13\nnope')).to.deep.equal({ type: 'invalid-version', line: 'nope' });
  });

  it('[pyver.similar-files-recorded] finds names like python version in any case', () => {
    const names = ['.Python_Version', 'PYTHONVERSION', 'python-version-notes.md', 'python--version', 'version.py'];
    expect(namesLikePythonVersion(names)).to.deep.equal([
      '.Python_Version',
      'PYTHONVERSION',
      'python-version-notes.md',
    ]);
  });

  it('knows 20 misspelled names, and not the correct one', () => {
    expect(new Set(MISSPELLED_PYTHON_VERSION_NAMES)).to.have.property('size', 20);
    expect(MISSPELLED_PYTHON_VERSION_NAMES).not.to.include('.python-version');
  });

  it('never throws for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void parse(bytes)));
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parse(text)));
  });

  it('reads every version, whatever comments surround it', () => {
    const number = fc.integer({ min: 0, max: 999 });
    const comment = fc.stringMatching(/^#[^\n]*$/);
    fc.assert(
      fc.property(number, number, fc.option(number), fc.array(comment), (major, minor, patch, comments) => {
        const text = patch === null ? `${major}.${minor}` : `${major}.${minor}.${patch}`;
        expect(version([...comments, ` ${text} `, ...comments].join('\n'))).to.equal(text);
      }),
    );
  });

  it('stays quick on a megabyte of blanks', () => {
    expect(version(`${' '.repeat(1_000_000)}x${' '.repeat(1_000_000)}`)).to.have.property('type', 'invalid-version');
  }).timeout(2000);
});

describe('python-version', () => {
  it('compares minors as numbers', () => {
    expect(['3.9', '3.10', '2.7', '4.0'].toSorted(compareMinors)).to.deep.equal(['2.7', '3.9', '3.10', '4.0']);
  });

  it('refuses blanks around a version', () => {
    for (const text of [' 3.12', '3.12\n', '']) expect(parsePythonRequest(text), text).to.equal(undefined);
  });
});
