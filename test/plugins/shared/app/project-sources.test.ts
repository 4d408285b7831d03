import { expect } from 'chai';
import { sourcesOf } from '../../../../src/plugins/shared/app/project-sources.js';
import { memoryView } from '../../../support/memory-view.js';

const HATCH =
  '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "a"\nversion = "1"\n';
const read = (files: Record<string, string>, places: string[], links: Record<string, string> = {}) =>
  sourcesOf(memoryView(files, { links }), places, { isLocked: false });

describe('plugins/shared/app/project-sources', () => {
  it('sees only the folder of a project that reads nothing else, and the ignore files above it', async () => {
    const { patterns, readingAll } = await read({ 'libs/a/pyproject.toml': HATCH, 'other.py': '' }, ['libs/a']);
    expect(readingAll).to.deep.equal({});
    expect(patterns).to.deep.equal(['.gitignore', '.hgignore', 'libs/.gitignore', 'libs/.hgignore', 'libs/a/**']);
  });

  it('sees the whole app for a project with a setup.py, and gives the reason', async () => {
    const { patterns, readingAll } = await read({ 'libs/a/setup.py': '', 'libs/a/pyproject.toml': HATCH }, ['libs/a']);
    expect(patterns).to.include('**');
    expect(readingAll).to.deep.equal({ 'libs/a': 'has a setup.py, which may read any file' });
  });

  it('sees the whole app for a project that is behind a link', async () => {
    const files = { 'libs/a/pyproject.toml': HATCH };
    const view = { ...memoryView(files, { links: { thing: 'libs/a' } }), list: () => ['pyproject.toml'] };
    view.read = async () => Buffer.from(HATCH);
    const { patterns, readingAll } = await sourcesOf(view, ['thing'], { isLocked: true });
    expect(patterns).to.include('**');
    expect(readingAll).to.deep.equal({ thing: 'is behind a symbolic link and looks for files above it' });
  });

  it('accepts archives, folders of archives and the app itself', async () => {
    const { patterns, readingAll } = await read({ 'wheels/a.whl': '', 'b.tar.gz': '', 'setup.py': '' }, [
      '.',
      'wheels',
      'b.tar.gz',
    ]);
    expect(readingAll).to.deep.equal({});
    expect(patterns).to.deep.equal(['**', 'b.tar.gz', 'wheels/**']);
  });
});
