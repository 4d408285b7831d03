import { expect } from 'chai';
import * as fc from 'fast-check';
import { buildReach } from '../../../src/manifests/app/build-reach.js';

const SYSTEMS = {
  setuptools: '[build-system]\nrequires = ["setuptools>=61", "wheel"]\nbuild-backend = "setuptools.build_meta"\n',
  hatch: '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
  flit: '[build-system]\nrequires = ["flit_core >=3.2,<4"]\nbuild-backend = "flit_core.buildapi"\n',
  poetry: '[build-system]\nrequires = ["poetry-core>=2"]\nbuild-backend = "poetry.core.masonry.api"\n',
  pdm: '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n',
  uv: '[build-system]\nrequires = ["uv_build>=0.8,<0.10"]\nbuild-backend = "uv_build"\n',
};
const STATIC = '[project]\nname = "units"\nversion = "1.0"\nreadme = "README.md"\ndescription = "Not ../ a path"\n';
const DYNAMIC = '[project]\nname = "units"\ndynamic = ["version"]\n';

function reachOf(
  pyproject: string | undefined,
  others: Readonly<Record<string, string>> = {},
  isLocked = false,
): string {
  const bytes = (text: string | undefined) => (text === undefined ? undefined : Buffer.from(text));
  const reach = buildReach({
    isLocked,
    pyproject: bytes(pyproject),
    setupCfg: bytes(others['setup.cfg']),
    manifestIn: bytes(others['MANIFEST.in']),
    names: Object.keys(others),
  });
  return reach.type === 'own-folder' ? 'own folder' : reach.because;
}

describe('buildReach', () => {
  for (const [name, system] of Object.entries(SYSTEMS)) {
    it(`is the own folder for a ${name} project with static metadata`, () => {
      expect(reachOf(system + STATIC)).to.equal('own folder');
    });
  }

  it('is the own folder despite settings of other tools and dependencies on local projects', () => {
    const tools = '[tool.pytest.ini_options]\npythonpath = ["../common"]\n[tool.ruff]\nextend = "../../ruff.toml"\n';
    expect(reachOf(SYSTEMS.hatch + STATIC + tools)).to.equal('own folder');
    const poetry = '[tool.poetry.dependencies]\nother = { path = "../other" }\n';
    expect(reachOf(SYSTEMS.poetry + STATIC + poetry, {}, true)).to.equal('own folder');
    expect(reachOf(SYSTEMS.poetry + STATIC + poetry), 'without a lockfile').to.include('../other');
    expect(reachOf(SYSTEMS.setuptools + STATIC, { 'setup.cfg': '[flake8]\nfilename = ../x\n' })).to.equal('own folder');
    expect(reachOf(SYSTEMS.setuptools + STATIC, { 'MANIFEST.in': 'include LICENSE\n' })).to.equal('own folder');
    const file = '[tool.setuptools.dynamic]\nversion = { file = "VERSION" }\n';
    expect(reachOf(SYSTEMS.setuptools + DYNAMIC + file)).to.equal('own folder');
    expect(reachOf(`${SYSTEMS.hatch}${DYNAMIC}[tool.hatch.version]\npath = "src/units.py"\n`)).to.equal('own folder');
  });

  it('looks for ignore files in parent folders for Hatchling', () => {
    const reach = buildReach({
      pyproject: Buffer.from(SYSTEMS.hatch + STATIC),
      setupCfg: undefined,
      manifestIn: undefined,
      isLocked: false,
      names: [],
    });
    expect(reach).to.deep.equal({ type: 'own-folder', looksUp: ['.gitignore', '.hgignore'] });
  });

  const ANYTHING: readonly (readonly [name: string, pyproject: string | undefined, others: Record<string, string>])[] =
    [
      ['a setup.py', SYSTEMS.setuptools + STATIC, { 'setup.py': '' }],
      ['no pyproject.toml', undefined, { 'setup.cfg': '' }],
      ['a pyproject.toml that is no TOML', '[', {}],
      ['a setup.cfg with metadata', STATIC, { 'setup.cfg': '[metadata]\nversion = file: ../../VERSION\n' }],
      ['a MANIFEST.in with a path upwards', STATIC, { 'MANIFEST.in': 'include ../../LICENSE\n' }],
      ['a backend of its own', '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n', {}],
      ['a backend that is not known', '[build-system]\nrequires = []\nbuild-backend = "maturin"\n', {}],
      ['a plugin of the backend', SYSTEMS.hatch.replace('"hatchling"', '"hatchling", "hatch-vcs"') + DYNAMIC, {}],
      ['a build tool by path', SYSTEMS.hatch.replace('"hatchling"', '"hatchling @ file:///app/h"') + STATIC, {}],
      [
        'a version that is imported',
        `${SYSTEMS.setuptools}${DYNAMIC}[tool.setuptools.dynamic]\nversion = { attr = "u.v" }\n`,
        {},
      ],
      [
        'a version file above',
        `${SYSTEMS.setuptools}${DYNAMIC}[tool.setuptools.dynamic]\nversion = { file = ["../VERSION"] }\n`,
        {},
      ],
      [
        'extension modules',
        `${SYSTEMS.setuptools}${STATIC}[[tool.setuptools.ext-modules]]\nname = "x"\nsources = ["x.c"]\n`,
        {},
      ],
      ['a command of setuptools', `${SYSTEMS.setuptools}${STATIC}[tool.setuptools.cmdclass]\nbuild = "x.y"\n`, {}],
      ["Hatch's version.path above", `${SYSTEMS.hatch}${DYNAMIC}[tool.hatch.version]\npath = "../../VERSION"\n`, {}],
      [
        "Hatch's version from code",
        `${SYSTEMS.hatch}${DYNAMIC}[tool.hatch.version]\nsource = "code"\npath = "v.py"\n`,
        {},
      ],
      ['a hook of Hatch', `${SYSTEMS.hatch}${STATIC}[tool.hatch.build.targets.wheel.hooks.custom]\n`, {}],
      ['a hatch.toml', SYSTEMS.hatch + STATIC, { 'hatch.toml': '' }],
      [
        'forced files from above, as keys',
        `${SYSTEMS.hatch}${STATIC}[tool.hatch.build.targets.wheel.force-include]\n"../x" = "x"\n`,
        {},
      ],
      ['a context field of Hatch', `${SYSTEMS.hatch}${STATIC}dependencies = ["x @ {root:parent:uri}/x"]\n`, {}],
      ['a readme above', STATIC.replace('README.md', '../../README.md') + SYSTEMS.hatch, {}],
      ['a licence above', `${STATIC}license-files = ["../LICENSE"]\n${SYSTEMS.uv}`, {}],
      ['a version that Flit imports', SYSTEMS.flit + DYNAMIC, {}],
      ['a build script of Poetry', `${SYSTEMS.poetry}${STATIC}[tool.poetry.build]\nscript = "b.py"\n`, {}],
      [
        'packages of Poetry from above',
        `${SYSTEMS.poetry}${STATIC}[tool.poetry]\npackages = [{ include = "x", from = "../src" }]\n`,
        {},
      ],
      ['a build script of PDM', SYSTEMS.pdm + STATIC, { 'pdm_build.py': '' }],
      ['a version that PDM calls', `${SYSTEMS.pdm}${DYNAMIC}[tool.pdm.version]\nsource = "call"\n`, {}],
      ['data of uv from above', `${SYSTEMS.uv}${STATIC}[tool.uv.build-backend]\nmodule-root = ".."\n`, {}],
      ['a path below /app', `${STATIC.replace('README.md', '/app/README.md')}${SYSTEMS.hatch}`, {}],
    ];
  for (const [name, pyproject, others] of ANYTHING) {
    it(`is anything with ${name}, with the reason`, () => {
      expect(reachOf(pyproject, others)).to.match(/^(has|is|names|compiles|brings) /);
    });
  }

  it('never throws for any text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map((value) => SYSTEMS.hatch + value),
    );
    fc.assert(
      fc.property(text, fc.string(), (pyproject, setupCfg) => {
        expect(reachOf(pyproject, { 'setup.cfg': setupCfg })).to.be.a('string');
      }),
    );
  });
});
