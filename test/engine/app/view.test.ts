import { expect } from 'chai';
import type { Digest } from '../../../src/engine/files/digest.js';
import type { Source, SourceEntry } from '../../../src/engine/app/source.js';
import type { Layer } from '../../../src/engine/trees/tree.js';
import { viewReader } from '../../../src/engine/app/view.js';
import { normalize, RunFiles, type LayerEntry } from '../../../src/engine/app/run-files.js';

const file = { type: 'file', size: 1, executable: false, stat: undefined } as unknown as SourceEntry;
const folder = { type: 'directory', stat: undefined } as unknown as SourceEntry;
const link = (target: string) => ({ type: 'symlink', target, stat: undefined }) as unknown as SourceEntry;
const made: LayerEntry = { type: 'file', digest: 'x/1' as Digest, executable: true };

const sourceOf = (entries: Record<string, SourceEntry>): Source =>
  ({ directory: '/nowhere', entries: new Map(Object.entries(entries)) }) as unknown as Source;
const layerOf = (deleted: readonly string[] = []) => ({ deleted }) as unknown as Layer;
/** Every earlier node is an ancestor. */
const chain = (node: number) => ({ has: (other: number) => other < node });
const around = {
  blobs: { read: async () => Buffer.from('made') },
  variables: { TOKEN: 't' },
  state: {},
  mode: 'build',
  appId: 'a',
} as unknown as Parameters<typeof viewReader>[2];

describe('engine/app/run-files', () => {
  it('returns the entry of the last ancestor that wrote the path, else that of the source', () => {
    const files = new RunFiles(sourceOf({ a: file, b: file }), chain);
    files.addLayer(2, layerOf(), [['a', made]]);
    files.addLayer(0, layerOf(['b']), [['a', { type: 'symlink', target: 'b' }]]);
    expect(files.winner(1, 'a')).to.deep.include({ writer: 0 });
    expect(files.winner(3, 'a')).to.deep.include({ writer: 2 });
    expect(files.winner(0, 'a')).to.deep.include({ writer: -1 });
    expect(files.winner(1, 'b')).to.equal(undefined);
  });

  it('hides layers of nodes that are not ancestors', () => {
    const files = new RunFiles(sourceOf({}), () => ({ has: (other) => other === 1 }));
    files.addLayer(0, layerOf(), [['a', made]]);
    files.addLayer(1, layerOf(), [['b', made]]);
    expect(files.match(2, '**')).to.deep.equal(['b']);
  });

  it('treats a deleted folder as the deletion of its content, until it is written again', () => {
    const files = new RunFiles(sourceOf({ d: folder, 'd/x': file }), chain);
    files.addLayer(0, layerOf(['d']), []);
    files.addLayer(1, layerOf(), [['d/y', made]]);
    expect(files.winner(2, 'd/x')).to.equal(undefined);
    expect(files.match(2, '**')).to.deep.equal(['d/y']);
  });

  it('matches literal names, names with glob characters, folders and patterns', () => {
    const names = { 'a[1].txt': file, d: folder, 'd/x': file, 'd/.hidden': file, 'e.py': file };
    const files = new RunFiles(sourceOf(names), chain);
    expect(files.match(0, 'a\\[1\\].txt')).to.deep.equal(['a[1].txt']);
    expect(files.match(0, 'd')).to.deep.equal(['d/.hidden', 'd/x']);
    expect(files.match(0, 'd/**')).to.deep.equal(['d/.hidden', 'd/x']);
    expect(files.match(0, '*.{py,txt}')).to.deep.equal(['a[1].txt', 'e.py']);
    expect(files.match(0, 'nothing')).to.deep.equal([]);
  });

  it('follows links inside the app, but none to outside or in circles', async () => {
    const names = {
      here: link('d/x'),
      d: folder,
      'd/x': file,
      out: link('../secret'),
      abs: link('/etc/passwd'),
      a: link('b'),
      b: link('a'),
      into: link('d'),
    };
    const view = viewReader(new RunFiles(sourceOf(names), chain), 0, around);
    expect(view.exists('here')).to.equal(true);
    expect(view.exists('into/x')).to.equal(true);
    expect(view.kindOf('here')).to.equal('symlink');
    for (const path of ['out', 'abs', 'a', '../secret', '/etc/passwd/x'])
      expect(view.exists(path), path).to.equal(false);
    expect(await view.read('out')).to.equal(undefined);
  });

  it('lists a folder with entries that layers added and without those that they deleted', () => {
    const files = new RunFiles(sourceOf({ d: folder, 'd/x': file, 'd/y': file }), chain);
    files.addLayer(0, layerOf(['d/x']), [['d/z', made]]);
    expect(viewReader(files, 1, around).list('d')).to.deep.equal(['y', 'z']);
  });

  it('normalizes paths and refuses those outside the app', () => {
    expect(normalize('./a//b/../c')).to.equal('a/c');
    expect(normalize('a/../../b')).to.equal(undefined);
  });
});
