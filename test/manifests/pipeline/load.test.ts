import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { parseDocument } from 'yaml';
import { loadPipeline, MAX_FILE_BYTES, parsePipeline, pluginPathsOf } from '../../../src/manifests/pipeline/load.js';
import { skipBecause } from '../../support/skip.js';

describe('loading pipeline files', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'pyflow-load-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (content: string | Uint8Array, name = 'pipeline.yml'): string => {
    const file = join(folder, name);
    writeFileSync(file, content);
    return file;
  };
  const codesOf = async (file: string): Promise<readonly string[]> => {
    const result = await loadPipeline(file);
    return result.ok
      ? result.value.problems.map(({ code }) => code)
      : result.failure.diagnostics.map(({ code }) => code);
  };

  it('refuses missing files and folders', async () => {
    expect(await codesOf(join(folder, 'absent.yml'))).to.deep.equal(['pipeline::not-found']);
    expect(await codesOf(join(write('x'), 'below-a-file.yml'))).to.deep.equal(['pipeline::not-found']);
    expect(await codesOf(folder)).to.deep.equal(['pipeline::not-a-file']);
    expect(await codesOf(join(folder, 'a\0b'))).to.deep.equal(['pipeline::unreadable']);
    expect(await codesOf(join(folder, 'x'.repeat(5000)))).to.deep.equal(['pipeline::unreadable']);
  });

  it('reports a file without read permission', async function () {
    if (process.getuid?.() === 0) skipBecause(this, 'root can read everything');
    const file = write('pyflow: 1');
    chmodSync(file, 0);
    expect(await codesOf(file)).to.deep.equal(['pipeline::unreadable']);
  });

  it('never reads more than the limit, even from an endless file', async () => {
    expect(await codesOf('/dev/zero')).to.deep.equal(['pipeline::too-large']);
    expect(await codesOf(write(`a: "${'x'.repeat(MAX_FILE_BYTES)}"`))).to.deep.equal(['pipeline::too-large']);
  });

  it('points at the first byte that is not UTF-8', async () => {
    const result = await loadPipeline(write(Buffer.from('pyflow: 1\nname: caf\xe9\n', 'latin1')));
    expect(result.ok).to.equal(false);
    if (result.ok) return;
    const [first] = result.failure.diagnostics;
    expect(first).to.include({ code: 'pipeline::not-utf8' });
    expect(first?.start).to.deep.equal({ line: 2, column: 10 });
  });

  it('ignores a byte order mark', async () => {
    const result = await loadPipeline(write('\uFEFFpyflow: 1\nfoo'));
    expect(result.ok || result.failure.diagnostics[0]?.start.line).to.equal(2);
    const sound = await loadPipeline(write('\uFEFF{"pyflow": 1}'));
    expect(sound.ok && sound.value.data).to.deep.equal({ pyflow: 1 });
  });

  it('accepts ordinary aliases', async () => {
    const result = await parsePipeline('x.yml', 'a: &a { b: [1, 2] }\nc: *a\nd: [*a, *a]\n');
    expect(result.ok && result.value.data).to.deep.equal({
      a: { b: [1, 2] },
      c: { b: [1, 2] },
      d: [{ b: [1, 2] }, { b: [1, 2] }],
    });
  });

  it('resolves plugins against the folder of the file', async () => {
    const result = await parsePipeline('/etc/pipelines/x.yml', 'plugins: [./a.js, ../b.js, 3, ""]');
    expect(result.ok && pluginPathsOf(result.value)).to.deep.equal([
      { specifier: './a.js', path: '/etc/pipelines/a.js', at: ['plugins', 0] },
      { specifier: '../b.js', path: '/etc/b.js', at: ['plugins', 1] },
    ]);
  });

  it('reads scalars according to YAML 1.2, like an independent parser', async () => {
    const words =
      'yes no on off y n true True TRUE false ~ null Null NULL 0o17 017 0x1F 0b11 1e3 1E+3 1_000 +1 -1 1. .5 -.5 ' +
      '3.10 12:30 2001-01-01 2001-12-14t21:59:43.10-05:00 .inf -.Inf .NaN 0 -0 00 1.0 = <<';
    for (const word of words.split(' ')) {
      const text = `key: ${word}\nlist: [${word}]\n`;
      const result = await parsePipeline('x.yml', text);
      const other: unknown = parseDocument(text, { version: '1.2', schema: 'core' }).toJS();
      expect(result.ok && result.value.data, word).to.deep.equal(other);
    }
  });

  it('reads JSON like JSON.parse', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc
            .string({ unit: 'grapheme', minLength: 1 })
            .filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key)),
          fc.jsonValue({ depthSize: 'small', stringUnit: 'grapheme' }),
          { minKeys: 1 },
        ),
        fc.constantFrom(undefined, 2, '\t'),
        async (data, indent) => {
          const plain = JSON.parse(JSON.stringify(data)) as unknown;
          const result = await parsePipeline('x.json', JSON.stringify(data, undefined, indent));
          expect(result.ok && result.value.data).to.deep.equal(plain);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('returns data, or a diagnostic inside the text, for any text', async () => {
    const fragment = fc.constantFrom(
      'a: ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '\n',
      '  ',
      '\t',
      '&x ',
      '*x',
      '!t ',
      '|\n',
      '>\n',
      '? ',
      '#',
      '---\n',
      '%',
      '\r',
      '\0',
      '\ud800',
      'é',
      ': ',
      ',',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(fragment).map((parts) => parts.join('')),
        ),
        async (text) => {
          const result = await parsePipeline('x.yml', text);
          if (result.ok) return;
          const lines = text.split(/\r\n|\n|\r/);
          for (const { start, message, remedy } of result.failure.diagnostics) {
            expect(start.line).to.be.within(1, lines.length);
            expect(start.column).to.be.within(1, (lines[start.line - 1] ?? '').length + 1);
            expect(message).to.match(/\.$/);
            expect(remedy).to.match(/\.$/);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
