import { Ajv } from 'ajv';
import { expect } from 'chai';
import { inRoot, rootIn, viewOfRoot } from '../../../../src/plugins/shared/app/root.js';
import { rootSchema } from '../../../../src/plugins/shared/manifest/schemas.js';
import { memoryView } from '../../../support/memory-view.js';

describe('plugins/shared/app/root', () => {
  const accepts = new Ajv().compile(rootSchema);

  it('accepts the app itself and folders below it', () => {
    for (const root of ['.', 'web', 'services/web', '.hidden/web', 'a.b/c_d-e', 'packages/@team/c++', '...'])
      expect(accepts(root), root).to.equal(true);
  });

  it('rejects paths outside the app, and paths that are not plain', () => {
    const absolute = ['/', '/web', '/app/web'];
    const outside = ['..', '../web', 'web/..', 'web/../..', './..', 'web/../web'];
    const odd = [
      '',
      './web',
      'web/',
      'web//x',
      'web/.',
      '-web',
      'we b',
      'web\nx',
      'web/*',
      '{a,b}',
      "a'b",
      '$HOME',
      'a\\b',
    ];
    for (const root of [...absolute, ...outside, ...odd]) expect(accepts(root), JSON.stringify(root)).to.equal(false);
  });

  it('joins paths in app coordinates', () => {
    expect(inRoot('.', 'uv.lock')).to.equal('uv.lock');
    expect(inRoot('.', '')).to.equal('');
    expect(inRoot('services/web', 'uv.lock')).to.equal('services/web/uv.lock');
    expect(inRoot('services/web', '')).to.equal('services/web');
  });

  it('shows a view of the root only', async () => {
    const files = { 'web/uv.lock': 'x', 'web/bin/run': '', 'uv.lock': 'y' };
    const app = memoryView(files, { executables: ['web/bin/run'], env: { A: 'b' } });
    const view = viewOfRoot(app, 'web');
    expect(String(await view.read('uv.lock'))).to.equal('x');
    expect([view.list(''), view.list('bin'), view.match('**')]).to.deep.equal([
      ['bin', 'uv.lock'],
      ['run'],
      ['bin/run', 'uv.lock'],
    ]);
    expect([
      view.exists('web'),
      view.exists('bin'),
      view.kindOf('uv.lock'),
      view.isExecutable('bin/run'),
    ]).to.deep.equal([false, true, 'file', true]);
    expect([view.env('A'), view.envNames(), view.run.mode]).to.deep.equal(['b', ['A'], 'build']);
    expect(viewOfRoot(app, '.')).to.equal(app);
  });

  it('returns the working folder', () => {
    expect(rootIn('/app', '.')).to.equal('/app');
    expect(rootIn('/app', 'services/web')).to.equal('/app/services/web');
  });
});
