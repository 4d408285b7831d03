import { expect } from 'chai';
import { differences } from '../../../src/engine/node/explain.js';
import type { KeyRecord } from '../../../src/engine/store/store.js';

const RECORD: KeyRecord = {
  format: 1,
  kind: 'install-deps-pip',
  revision: 1,
  config: { requirements: 'requirements.txt' },
  values: {},
  facts: { requirements: { flask: '3.1.2', jinja2: '3.1.6' } },
  env: {},
  secrets: {},
  platform: { OSFamily: 'linux' },
  files: { 'requirements.txt': 'aaaaaaaaaaaaaaaa/1' },
  exists: {},
  trees: { runtime: ['cccccccccccccccc/1'] },
  tools: {},
  scope: '',
};

describe('explain', () => {
  it('finds nothing between equal records', () => {
    expect(differences(RECORD, structuredClone(RECORD))).to.deep.equal([]);
  });

  it('names the package that moved, beside the file', () => {
    const after: KeyRecord = {
      ...RECORD,
      facts: { requirements: { flask: '3.1.3', jinja2: '3.1.6' } },
      files: { 'requirements.txt': 'bbbbbbbbbbbbbbbb/1' },
    };
    expect(differences(RECORD, after)).to.deep.equal([
      { what: 'requirements flask', from: '3.1.2', to: '3.1.3' },
      { what: 'file requirements.txt', from: 'aaaaaaaaaaaa', to: 'bbbbbbbbbbbb' },
    ]);
  });

  it('names every field, not the first', () => {
    const after: KeyRecord = {
      ...RECORD,
      revision: 2,
      config: { requirements: 'other.txt' },
      trees: { runtime: ['dddddddddddddddd/1'] },
      scope: 'app-1',
    };
    expect(differences(RECORD, after).map(({ what }) => what)).to.deep.equal([
      'plugin revision',
      'config requirements',
      'tree runtime',
      'scope',
    ]);
  });

  it('never shows the value of a variable', () => {
    const after: KeyRecord = { ...RECORD, env: { TOKEN: 'hunter2hunter2' } };
    expect(JSON.stringify(differences(RECORD, after))).not.to.contain('hunter2');
  });
});
