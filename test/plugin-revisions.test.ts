import { expect } from 'chai';
import { currentCode, moduleClosure, nextTable, readTable, type RevisionTable } from '../scripts/revisions.js';

describe('plugin revisions', () => {
  it('match the code of every shipped kind (else: npm run revisions)', () => {
    const table = readTable();
    const stale = [...currentCode()].flatMap(([kind, { revision, digest }]) =>
      table[kind]?.revision === revision && table[kind].digest === digest ? [] : [kind],
    );
    expect(stale, 'code moved, but its revision was not raised, nor the same output confirmed').to.deep.equal([]);
    expect(Object.keys(table)).to.deep.equal([...currentCode().keys()]);
  });

  it('cover what a plugin imports, and not the engine', () => {
    const closure = moduleClosure('src/plugins/hook/plugin.ts');
    expect([...closure]).to.include.members([
      'src/plugins/hook/plugin.ts',
      'src/plugins/hook/manifest.ts',
      'src/plugins/shared/app/changes.ts',
      'src/plugins/shared/relocate/private-path.ts',
      'src/plugins/shared/relocate/search-bytes.ts',
    ]);
    expect([...closure].filter((path) => path.startsWith('src/engine/'))).to.deep.equal([]);
    expect([...closure].filter((path) => path.startsWith('src/plugins/command/'))).to.deep.equal([]);
  });

  describe('a moved digest', () => {
    const old: RevisionTable = { hook: { revision: 1, digest: 'a' } };
    const next = (revision: number, digest: string, sameOutput: readonly string[] = []) =>
      nextTable(old, new Map([['hook', { revision, digest }]]), { sameOutput, reset: false });

    it('stays undecided without a flag', () => {
      expect(next(1, 'b')).to.deep.equal({ table: old, undecided: ['hook'] });
    });

    it('is recorded with a raised revision', () => {
      expect(next(2, 'b')).to.deep.equal({
        table: { hook: { revision: 2, digest: 'b' } },
        undecided: [],
      });
    });

    it('replaces the recorded one when --same-output names the kind', () => {
      expect(next(1, 'b', ['hook'])).to.deep.equal({
        table: { hook: { revision: 1, digest: 'b' } },
        undecided: [],
      });
    });

    it('changes nothing when the code is the same', () => {
      expect(next(1, 'a')).to.deep.equal({ table: old, undecided: [] });
    });
  });
});
