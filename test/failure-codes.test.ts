import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Codes that the buildpack has without an area. */
const BARE_CODES: ReadonlySet<string> = new Set([
  'install-python',
  'nltk-downloader',
  'collectstatic-fancy-references',
  'collectstatic-improper-configuration',
  'collectstatic-missing-file',
  'collectstatic-other',
  'collectstatic-syntax-error',
]);

/** Code -> the files that raise it. */
function codesInSource(): ReadonlyMap<string, readonly string[]> {
  const codes = new Map<string, string[]>();
  for (const path of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).sort()) {
    if (!path.endsWith('.ts') || path.includes('.generated.')) continue;
    const text = readFileSync(join(root, 'src', path), 'utf8');
    for (const [, literal = ''] of text.matchAll(/'([a-z0-9_-]+(?:::[a-z0-9_-]+)*)'/g)) {
      if (literal.includes('::') || BARE_CODES.has(literal)) codes.set(literal, [...(codes.get(literal) ?? []), path]);
    }
  }
  return codes;
}

/** The first cell of each row of a table, in backticks. */
function codesInDocs(): readonly string[] {
  const text = readFileSync(join(root, 'docs/failure-codes.md'), 'utf8');
  return [...text.matchAll(/^\|\s*`([^`]+)`\s*\|/gm)].map(([, code = '']) => code);
}

describe('failure codes', () => {
  const source = codesInSource();

  it('are all explained in docs/failure-codes.md', () => {
    const documented = new Set(codesInDocs());
    expect(source.has('hooks::pre_compile')).to.equal(true);
    const missing = [...source]
      .filter(([code]) => !documented.has(code))
      .map(([code, files]) => `${code} (${files[0]})`);
    expect(missing).to.deep.equal([]);
  });

  it('are all raised somewhere', () => {
    expect(codesInDocs().filter((code) => !source.has(code))).to.deep.equal([]);
  });

  it('appear once each in the document', () => {
    const all = codesInDocs();
    expect(all.filter((code, index) => all.indexOf(code) !== index)).to.deep.equal([]);
  });

  it('are never built from pieces, so that a search finds them', () => {
    const assembled: string[] = [];
    for (const path of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts') || path.includes('.generated.')) continue;
      const text = readFileSync(join(root, 'src', path), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
      if (/`(?:[a-z0-9_-]+|\$\{[^}`]*\})::/.test(text)) assembled.push(path);
    }
    expect(assembled).to.deep.equal([]);
  });
});
