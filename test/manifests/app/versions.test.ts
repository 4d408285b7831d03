import { expect } from 'chai';
import * as fc from 'fast-check';
import { fitVersions } from '../../../src/manifests/app/versions/fit.js';
import { pipfileVersionLock } from '../../../src/manifests/app/versions/listed.js';
import type { VersionLock } from '../../../src/manifests/app/versions/lock.js';
import { poetryVersionLock } from '../../../src/manifests/app/versions/poetry.js';
import { pylockVersionLock } from '../../../src/manifests/app/versions/pylock.js';
import { uvVersionLock } from '../../../src/manifests/app/versions/uv.js';

const MACHINE = { os: 'linux', machine: 'x86_64', libc: { name: 'glibc', version: '2.39' } } as const;
const BUILDS = ['3.12', '3.13'].map((minor) => ({ minor, version: `${minor}.1` }));
const READERS: Readonly<Record<string, (bytes: Uint8Array) => VersionLock | undefined>> = {
  'uv.lock': (bytes) => uvVersionLock(bytes, 'uv.lock', { project: '.', groups: ['dev'] }),
  'poetry.lock': (bytes) => poetryVersionLock(bytes, 'poetry.lock', { project: {}, groups: ['dev'] }),
  'pylock.toml': (bytes) => pylockVersionLock(bytes, 'pylock.toml'),
  'Pipfile.lock': (bytes) => pipfileVersionLock(bytes, 'Pipfile.lock'),
};
const fit = (lock: VersionLock | undefined) =>
  fitVersions({ builds: BUILDS, constraints: [], machine: MACHINE, ...(lock !== undefined && { lock }) });

const WORDS = [
  'name',
  'version',
  'source',
  'editable',
  'wheels',
  'sdist',
  'files',
  'file',
  'url',
  'dependencies',
  'dev-dependencies',
  'optional-dependencies',
  'marker',
  'markers',
  'groups',
  'extra',
  'python-versions',
  'requires-python',
  'constructor',
  '__proto__',
];
const VALUES = [
  '.',
  'a',
  '1.0',
  'a-1.0-cp313-cp313-linux_x86_64.whl',
  "python_version < '3'",
  'main',
  'dev',
  '*',
  '%ff',
];

describe('manifests/app/versions', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof({ maxDepth: 4 }, fc.constantFrom<unknown>(...VALUES, 1, true), tie('list'), tie('table')),
    list: fc.array(tie('any'), { maxLength: 3 }),
    table: fc.dictionary(fc.constantFrom(...WORDS), tie('any'), { maxKeys: 6 }),
  }));

  for (const [file, read] of Object.entries(READERS)) {
    it(`judges any ${file} without failing`, () => {
      const table = file === 'pylock.toml' ? 'packages' : 'package';
      fc.assert(
        fc.property(fc.array(value.table, { maxLength: 5 }), value.table, (packages, metadata) => {
          const text =
            file === 'Pipfile.lock'
              ? JSON.stringify({ _meta: metadata, default: packages[0] })
              : [
                  'lock-version = "1.0"',
                  `requires-python = ${toml(Object.values(metadata as object)[0] ?? '')}`,
                  ...packages.flatMap((one) => [
                    `[[${table}]]`,
                    ...Object.entries(one as object).map(([key, given]) => `${JSON.stringify(key)} = ${toml(given)}`),
                  ]),
                  `[metadata]\npython-versions = ${toml(Object.values(metadata as object)[1] ?? '')}`,
                ].join('\n');
          const lock = read(Buffer.from(text));
          const { candidates } = fit(lock);
          expect(candidates.map(({ minor }) => minor)).to.deep.equal(['3.13', '3.12']);
        }),
      );
    });
  }

  it('takes time in proportion to hostile lockfiles', () => {
    const count = 20_000;
    const many = (line: (index: number) => string): string =>
      Array.from({ length: count }, (_, index) => line(index)).join('');
    const texts: Readonly<Record<string, string>> = {
      'uv.lock': `[[package]]\nname = "app"\nsource = { virtual = "." }\ndependencies = [${many((n) => `{ name = "a", version = "${n % 100}" },`)}]\n${many(
        (n) => `[[package]]\nname = "a"\nversion = "${n}"\nsource = { registry = "x" }\nsdist = {}\n`,
      )}`,
      'poetry.lock': many((n) => `[[package]]\nname = "a"\nversion = "${n}"\nfiles = [{ file = "a-${n}.tar.gz" }]\n`),
      'pylock.toml': `lock-version = "1.0"\n${many((n) => `[[packages]]\nname = "a"\nversion = "${n}"\nsdist = { path = "a" }\n`)}`,
    };
    for (const [file, text] of Object.entries(texts)) {
      const before = performance.now();
      fit(READERS[file]!(Buffer.from(text)));
      expect(performance.now() - before, file).to.be.lessThan(5000);
    }
  });
});

function toml(given: unknown): string {
  if (Array.isArray(given)) return `[${given.map(toml).join(', ')}]`;
  if (typeof given !== 'object' || given === null) return JSON.stringify(given);
  return `{ ${Object.entries(given)
    .map(([key, one]) => `${JSON.stringify(key)} = ${toml(one)}`)
    .join(', ')} }`;
}
