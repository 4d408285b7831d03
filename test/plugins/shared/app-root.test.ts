import { Ajv } from 'ajv';
import { expect } from 'chai';
import { inRoot, rootIn, rootSchema } from '../../../src/plugins/shared/app-root.js';

describe('plugins/shared/app-root', () => {
  const accepts = new Ajv().compile(rootSchema);

  it('takes the app itself and folders below it', () => {
    for (const root of ['.', 'web', 'services/web', '.hidden/web', 'a.b/c_d-e', 'packages/@team/c++', '...'])
      expect(accepts(root), root).to.equal(true);
  });

  it('refuses what leads out of the app, and spellings that are no plain path', () => {
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

  it('gives the folder to work in', () => {
    expect(rootIn('/app', '.')).to.equal('/app');
    expect(rootIn('/app', 'services/web')).to.equal('/app/services/web');
  });
});
