// A test shows every behaviour of the platform's buildpack and names it in its title, `[pm.none-found]`; or docs/parity.md
// lists it as deliberately different.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Behaviours still to be built. Id -> what is missing. */
const PENDING: Readonly<Record<string, string>> = {};

interface Behaviour {
  readonly id: string;
  readonly code?: string;
}
const { behaviours } = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/behaviours.json'), 'utf8')) as {
  readonly behaviours: readonly Behaviour[];
};
const ids = behaviours.map(({ id }) => id);
const ID = /\[([a-z][a-z0-9-]*\.[a-z0-9-]+)\]/g;

/** Id -> the files with a test that names it. Reads the source, so a skipped test counts too. */
function shownIds(): ReadonlyMap<string, readonly string[]> {
  const shown = new Map<string, string[]>();
  for (const path of readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).sort()) {
    if (!path.endsWith('.test.ts') || path === 'parity.test.ts') continue;
    const text = readFileSync(join(ROOT, 'test', path), 'utf8');
    const titles = [...text.matchAll(/\b(?:it|describe)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs)].map(
      ([, , title = '']) => title,
    );
    const found = titles.flatMap((title) =>
      [...title.replaceAll(/\$\{[^}]*\}/g, '').matchAll(ID)].map(([, id = '']) => id),
    );
    // A table of tests, with its ids as strings: it(`[${id}] ...`).
    if (titles.some((title) => title.includes('[${id}]'))) {
      found.push(
        ...[...text.matchAll(/'([a-z][a-z0-9-]*\.[a-z0-9-]+)'/g)]
          .map(([, id = '']) => id)
          .filter((id) => ids.includes(id)),
      );
    }
    for (const id of found) shown.set(id, [...(shown.get(id) ?? []), path]);
  }
  return shown;
}

/** Rows of a table whose first cell is an id; the second says why. */
function differentIds(): ReadonlyMap<string, string> {
  const text = readFileSync(join(ROOT, 'docs/parity.md'), 'utf8');
  return new Map(
    [...text.matchAll(/^\|\s*`([^`]+)`\s*\|(.*)\|\s*$/gm)].map(([, id = '', why = '']) => [id, why.trim()]),
  );
}

describe('parity with the buildpack', () => {
  const shown = shownIds();
  const different = differentIds();

  it('knows 253 behaviours with different ids', () => {
    expect(new Set(ids).size).to.equal(253);
    expect(behaviours).to.have.length(253);
  });

  it('has a test for each, or a reason in docs/parity.md', () => {
    const missing = ids.filter((id) => !shown.has(id) && !different.has(id) && !Object.hasOwn(PENDING, id));
    expect(missing).to.deep.equal([]);
  });

  it('names no unknown behaviour', () => {
    const all = [...shown.keys(), ...different.keys(), ...Object.keys(PENDING)];
    expect(all.filter((id) => !ids.includes(id))).to.deep.equal([]);
  });

  it('gives a reason for each difference', () => {
    expect([...different].filter(([, why]) => why.length < 30)).to.deep.equal([]);
  });

  it('has nothing pending that has a test or a reason', () => {
    expect(Object.keys(PENDING).filter((id) => shown.has(id) || different.has(id))).to.deep.equal([]);
  });

  it('keeps the failure codes of the buildpack', () => {
    const documented = readFileSync(join(ROOT, 'docs/failure-codes.md'), 'utf8');
    const codes = new Set(
      behaviours.flatMap(({ id, code }) => (code === undefined || different.has(id) ? [] : [code])),
    );
    expect([...codes].filter((code) => !documented.includes(`\`${code}\``))).to.deep.equal([]);
  });
});
