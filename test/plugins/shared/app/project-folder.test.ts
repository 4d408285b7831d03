import { expect } from 'chai';
import { foldersUp, nearestWith, poetryFolder, uvPlaces } from '../../../../src/plugins/shared/app/project-folder.js';
import { readUvProject } from '../../../../src/plugins/shared/uv/project.js';
import { memoryView } from '../../../support/memory-view.js';

const PROJECT = '[project]\nname = "x"\nversion = "1"\n';
const workspace = (members: string, exclude = '[]') =>
  `[tool.uv.workspace]\nmembers = ${members}\nexclude = ${exclude}\n`;
const places = (top: string, files: Record<string, string> = {}) =>
  uvPlaces(memoryView({ 'pyproject.toml': top, 'services/web/pyproject.toml': PROJECT, ...files }), 'services/web');

describe('plugins/shared/app/project-folder', () => {
  it('lists the folders from the root up to the app', () => {
    expect(foldersUp('.')).to.deep.equal(['.']);
    expect(foldersUp('a/b')).to.deep.equal(['a/b', 'a', '.']);
  });

  it('finds the nearest folder with a file, and returns the root if there is none', async () => {
    const view = memoryView({ 'requirements.txt': '', 'a/requirements.txt': '', 'a/b/x.py': '', 'c/x.py': '' });
    expect(await nearestWith(view, 'a/b', 'requirements.txt')).to.equal('a');
    expect(await nearestWith(view, 'c', 'requirements.txt')).to.equal('.');
    expect(await nearestWith(view, 'c', 'uv.lock')).to.equal('c');
    expect(await poetryFolder(memoryView({ 'a/pyproject.toml': '', 'a/b/x.py': '' }), 'a/b')).to.equal('a');
  });

  for (const members of [
    '["services/*"]',
    '["services/web"]',
    '["./services/web/"]',
    '["**"]',
    '["libs/a", "*/w?b"]',
  ]) {
    it(`finds the workspace that a project belongs to by ${members}`, async () => {
      expect(await places(workspace(members))).to.deep.equal({ project: 'services/web', top: '.' });
    });
  }

  it('treats a project that is excluded, or that no pattern matches, as a separate project', async () => {
    const own = { project: 'services/web', top: 'services/web' };
    expect(await places(workspace('["services/*"]', '["services/w*"]'))).to.deep.equal({
      ...own,
      otherWorkspace: { folder: '.', isExcluded: true },
    });
    expect(await places(workspace('["services"]'))).to.deep.equal({
      ...own,
      otherWorkspace: { folder: '.', isExcluded: false },
    });
    expect(await places(PROJECT)).to.deep.equal(own);
    expect(await places('not [ toml')).to.deep.equal(own);
  });

  it('uses the nearest workspace, and the project above a folder without a project', async () => {
    const nested = { 'services/pyproject.toml': workspace('["web"]') };
    expect(await places(workspace('["services/*"]'), nested)).to.deep.equal({
      project: 'services/web',
      top: 'services',
    });
    const view = memoryView({ 'pyproject.toml': PROJECT, 'services/web/main.py': '' });
    expect(await uvPlaces(view, 'services/web')).to.deep.equal({ project: '.', top: '.' });
  });

  it('reads the packages that a member needs, and the metadata of all members', async () => {
    const lock = `
version = 1
[[package]]
name = "Web"
version = "1"
source = { editable = "services/web" }
dependencies = [{ name = "core" }]
[package.dev-dependencies]
dev = [{ name = "tester" }]
[[package]]
name = "core"
source = { editable = "libs/core" }
dependencies = [{ name = "core" }, { name = "web" }]
[[package]]
name = "tester"
source = { directory = "libs/tester" }
[[package]]
name = "mailer"
source = { editable = "services/mailer" }
dependencies = [{ name = "oilcan" }]
[[package]]
name = "oilcan"
source = { path = "wheels/oilcan.whl" }
wheels = [{ filename = "oilcan.whl" }]
`;
    const members = ['services/web', 'services/mailer', 'libs/core', 'libs/tester'];
    const files = Object.fromEntries(members.map((member) => [`${member}/pyproject.toml`, PROJECT]));
    const view = memoryView({ ...files, 'pyproject.toml': workspace('["services/*", "libs/*"]'), 'uv.lock': lock });
    const project = await readUvProject('services/web', view);
    if (!project.ok) throw new Error(project.failure.detail);
    expect(project.value).to.deep.include({
      folder: 'services/web',
      lockFile: 'uv.lock',
      locals: ['libs/core', 'libs/tester', 'services/web'],
      hasSettings: true,
    });
    expect(project.value.lock.packages.map(({ name }) => name)).to.deep.equal(['web', 'core', 'tester']);
    expect(project.value.files).to.include.members([
      'uv.lock',
      'pyproject.toml',
      'services/mailer/pyproject.toml',
      'services/web/pyproject.toml',
      'libs/*/pyproject.toml',
    ]);
  });
});
