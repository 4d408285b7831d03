import { expect } from 'chai';
import { parseUvProject, parseUvToml } from '../../../src/manifests/app/uv-settings.js';

const projectOf = (text: string) => {
  const result = parseUvProject(Buffer.from(text));
  if (!result.ok) throw new Error(result.failure.message);
  return result.value;
};

describe('manifests/app/uv-settings', () => {
  it('distinguishes projects with and without settings', () => {
    expect(projectOf('[project]\nname = "a"\n')).to.deep.equal({
      hasSettings: false,
      refusesWheels: false,
      defaultGroups: [],
      isStatic: true,
    });
    expect(projectOf('[project]\nname = "a"\n[tool.other]\n').hasSettings).to.equal(false);
    expect(projectOf('[tool.uv.workspace]\nmembers = ["packages/*"]\n'))
      .to.include({ hasSettings: true })
      .and.to.deep.include({
        workspace: { members: ['packages/*'], exclude: [] },
      });
  });

  it('detects settings that refuse wheels', () => {
    expect(projectOf('[tool.uv]\nno-binary = true\n').refusesWheels).to.equal(true);
    expect(projectOf('[tool.uv]\nno-binary-package = ["a"]\n').refusesWheels).to.equal(true);
    const settings = parseUvToml(Buffer.from('no-binary-package = ["a"]\n'));
    expect(settings.ok && settings.value.refusesWheels).to.equal(true);
  });

  it('detects dependencies that only a build can determine', () => {
    expect(projectOf('[project]\nname = "a"\ndynamic = ["version"]\n').isStatic).to.equal(true);
    expect(projectOf('[project]\nname = "a"\ndynamic = ["dependencies"]\n').isStatic).to.equal(false);
    expect(projectOf('[build-system]\nrequires = []\n').isStatic).to.equal(false);
  });

  it('reports a file that is not TOML', () => {
    const result = parseUvProject(Buffer.from('a ['));
    expect(!result.ok && result.failure.type).to.equal('invalid-toml');
  });

  it('lists the groups of the project that uv installs by default', () => {
    const groupsOf = (text: string): readonly string[] => projectOf(text).defaultGroups;
    const groups = '[dependency-groups]\ndev = ["a"]\n"Web_App" = ["b"]\nempty = []\n';
    expect(groupsOf(groups)).to.deep.equal(['dev']);
    expect(groupsOf(`${groups}[tool.uv]\ndefault-groups = ["web-app", "gone"]\n`)).to.deep.equal(['web-app']);
    expect(groupsOf(`${groups}[tool.uv]\ndefault-groups = "all"\n`)).to.deep.equal(['dev', 'web-app']);
    expect(groupsOf(`${groups}[tool.uv]\ndefault-groups = []\n`)).to.deep.equal([]);
    expect(groupsOf('[tool.uv]\ndev-dependencies = ["a"]\n')).to.deep.equal(['dev']);
    expect(groupsOf('dependency-groups = 3\n[tool.uv]\ndefault-groups = 3\n')).to.deep.equal([]);
  });
});
