import { expect } from 'chai';
import * as fc from 'fast-check';
import { markerHolds, type MarkerEnvironment } from '../../../src/manifests/app/markers.js';
import { meetsConstraint } from '../../../src/manifests/app/python-constraint.js';
import { askMarkers } from '../../support/pip-packaging.js';

const VALUES = {
  python_version: '3.13',
  python_full_version: '3.13.7',
  implementation_name: 'cpython',
  implementation_version: '3.13.7',
  os_name: 'posix',
  platform_machine: 'x86_64',
  platform_python_implementation: 'CPython',
  platform_system: 'Linux',
  sys_platform: 'linux',
};
const HERE: MarkerEnvironment = { values: VALUES, extras: new Set(['async']), groups: new Set(['docs']) };
const NOWHERE: MarkerEnvironment = { values: VALUES, extras: new Set(), groups: new Set() };

describe('manifests/app/markers', () => {
  for (const [marker, answer] of [
    ['', true],
    ["python_version >= '3.9'", true],
    ["python_version < '3.9'", false],
    ["'3.9' <= python_version", true],
    ["python_version in '3.12 3.13'", true],
    ["python_version not in '3.13, 3.14'", false],
    ["python_version == '3.13.*'", true],
    ["python_full_version < '3.13.8' and python_version >= '3.13'", true],
    ["sys_platform == 'win32' or sys_platform == 'linux'", true],
    ["(sys_platform == 'win32' or os_name == 'nt') and python_version >= '3'", false],
    ["sys_platform == 'win32' and (os_name == 'posix' or os_name == 'nt')", false],
    ["platform_python_implementation != 'PyPy'", true],
    ["extra == 'async'", true],
    ["extra == 'other'", false],
    ["'async' in extras", true],
    ["'docs' in dependency_groups", true],
    ["'dev' not in dependency_groups", true],
    ["platform_release >= '5'", undefined],
    ["platform_release >= '5' or sys_platform == 'linux'", true],
    ["platform_release >= '5' and sys_platform == 'win32'", false],
    ['python_version >=', undefined],
    ["python_version >= '3.9' and", undefined],
    ["(python_version >= '3.9'", undefined],
    ['nonsense', undefined],
    ["os.name == 'posix'", true],
  ] as const) {
    it(`answers ${String(answer)} for ${marker === '' ? 'no marker' : marker}`, () => {
      expect(markerHolds(marker, HERE)).to.equal(answer);
    });
  }

  it('says unknown to markers that are too long or too deep', () => {
    const deep = `${'('.repeat(200)}sys_platform == 'linux'${')'.repeat(200)}`;
    expect(markerHolds(deep, HERE)).to.equal(undefined);
    expect(markerHolds(`sys_platform == '${'x'.repeat(20_000)}'`, HERE)).to.equal(undefined);
  });

  it('ends with an answer for any text', () => {
    const words = fc.constantFrom('(', ')', 'and', 'or', 'not in', 'in', '==', '<', "'3.9'", 'python_version', 'extra');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((list) => list.join(' ')),
        ),
        (text) => {
          expect(markerHolds(text, HERE)).to.be.oneOf([true, false, undefined]);
        },
      ),
    );
  });

  it('agrees with the library that pip uses', function () {
    const clause = fc
      .tuple(
        fc.constantFrom('python_version', 'python_full_version', 'sys_platform', 'platform_machine'),
        fc.constantFrom('==', '!=', '<', '<=', '>', '>=', 'in', 'not in'),
        fc.constantFrom('3.9', '3.13', '3.14', '3.13.7', 'linux', 'win32', 'x86_64'),
        fc.boolean(),
      )
      .filter(([variable, operator, value]) => {
        const isVersion = variable.startsWith('python');
        return isVersion === /^\d/.test(value) && (isVersion || /[=n]/.test(operator));
      })
      .map(([variable, operator, value, isFlipped]) =>
        isFlipped && !operator.endsWith('in')
          ? `'${value}' ${operator} ${variable}`
          : `${variable} ${operator} '${value}'`,
      );
    const marker = fc
      .array(fc.tuple(clause, fc.constantFrom(' and ', ' or '), fc.boolean()), { minLength: 1, maxLength: 4 })
      .map((parts) =>
        parts.map(([text, word, inside], at) => (at === 0 ? text : `${word}${inside ? `(${text})` : text}`)).join(''),
      );
    const markers = fc.sample(marker, { numRuns: 400, seed: 13 });
    const told = askMarkers(this, { environment: { ...VALUES, extra: '' }, markers, specifiers: [] });
    expect(told.markers).to.include(true).and.to.include(false);
    expect(markers.map((text) => markerHolds(text, NOWHERE) ?? null)).to.deep.equal(told.markers);
  });
});

describe('manifests/app/python-constraint', () => {
  for (const [version, constraint, answer] of [
    ['3.13.7', '>=3.10,<3.14', true],
    ['3.14.0', '>=3.10,<3.14', false],
    ['3.13.7', '>= 3.10, < 3.14', true],
    ['3.13.7', '^3.10', true],
    ['4.0.0', '^3.10', false],
    ['3.9.1', '^3.10', false],
    ['0.3.9', '^0.3.1', true],
    ['0.4.0', '^0.3.1', false],
    ['3.11.4', '~3.11', true],
    ['3.12.0', '~3.11', false],
    ['3.11.9', '~3.11.4', true],
    ['3.11.3', '~3.11.4', false],
    ['4.1.0', '~4', true],
    ['3.12.3', '3.12.*', true],
    ['3.12.3', '==3.12.*', true],
    ['3.12.3', '!=3.12.*', false],
    ['3.12.3', '~=3.12.0', true],
    ['3.13.0', '~=3.12.0', false],
    ['3.8.5', '>=2.7,!=3.0.*,!=3.1.*', true],
    ['3.12.3', '3.11.* || 3.12.*', true],
    ['3.13.3', '3.11.* || 3.12.*', false],
    ['3.13.3', '>=3.9 <3.13', false],
    ['3.13.3', '*', true],
    ['3.13.3', '', true],
    ['3.13.3', 'newest', undefined],
    ['3.13.3', `>=3.${'9'.repeat(600)}`, undefined],
  ] as const) {
    it(`answers ${String(answer)} for ${version} and ${constraint.slice(0, 40)}`, () => {
      expect(meetsConstraint(version, constraint)).to.equal(answer);
    });
  }

  it('agrees with the library that pip uses', function () {
    const operators = ['==', '!=', '<', '<=', '>', '>=', '~='];
    const pairs = operators.flatMap((operator) =>
      ['3.9.0', '3.13', '3.13.7', '3.14.0'].flatMap((wanted) =>
        ['3.9.0', '3.13.0', '3.13.7', '3.14.2'].map((version) => [version, `${operator}${wanted},>=3.2`] as const),
      ),
    );
    const { specifiers } = askMarkers(this, { environment: VALUES, markers: [], specifiers: pairs });
    expect(pairs.map(([version, text]) => meetsConstraint(version, text))).to.deep.equal(specifiers);
  });
});
