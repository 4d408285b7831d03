import { expect } from 'chai';
import type { JSONValue } from '../../../src/manifests/json-schema.js';
import { differences } from '../../../src/engine/node/explain.js';
import type { KeyRecord } from '../../../src/engine/store/store.js';

const DIGEST = { a: `${'a'.repeat(64)}/1`, b: `${'b'.repeat(64)}/1`, c: `${'c'.repeat(64)}/1` };

const RECORD: KeyRecord = {
  format: 1,
  kind: 'install-deps-pip',
  revision: 1,
  config: { requirements: 'requirements.txt' },
  values: {},
  facts: { packages: { flask: '3.1.2', jinja2: '3.1.6' } },
  env: {},
  secrets: {},
  platform: { OSFamily: 'linux' },
  files: { 'requirements.txt': DIGEST.a },
  exists: {},
  trees: { runtime: [DIGEST.c] },
  tools: {},
  scope: '',
};

const between = (before: Partial<KeyRecord>, after: Partial<KeyRecord>) =>
  differences(
    { ...RECORD, ...before },
    { ...RECORD, ...after },
    {
      makers: (_port, digests) => digests.map((digest) => `maker-${digest[0]}`),
      packages: (from, to) => [{ name: 'gcc', from, to }],
    },
  );

describe('engine/node/explain', () => {
  it('finds no difference between equal records', () => {
    expect(differences(RECORD, structuredClone(RECORD))).to.deep.equal([]);
  });

  it('lists added, removed and updated packages before the file that names them', () => {
    const after = { facts: { packages: { flask: '3.1.3', six: '' } }, files: { 'requirements.txt': DIGEST.b } };
    expect(between({}, after)).to.deep.equal([
      { type: 'package-changed', name: 'flask', from: '3.1.2', to: '3.1.3' },
      { type: 'package-removed', name: 'jinja2', version: '3.1.6' },
      { type: 'package-added', name: 'six', version: '' },
      { type: 'file-changed', path: 'requirements.txt' },
    ]);
    expect(between({ facts: null }, { facts: { packages: { six: '1' } } })).to.deep.include({
      type: 'package-added',
      name: 'six',
      version: '1',
    });
  });

  it('names packages that changed in an input', () => {
    expect(between({ values: { packages: { six: '1' } } }, { values: { packages: { six: '2' } } })).to.deep.equal([
      { type: 'package-changed', name: 'six', from: '1', to: '2' },
    ]);
  });

  it('says which packages of the machine differ between two builders', () => {
    const packages = [{ name: 'gcc', from: 'sha256:1', to: 'sha256:2' }];
    expect(between({ builder: 'sha256:1' }, { builder: 'sha256:2' })).to.deep.equal([
      { type: 'builder-changed', from: 'sha256:1', to: 'sha256:2', packages },
    ]);
    expect(between({}, { builder: 'sha256:2' })).to.deep.equal([
      { type: 'builder-changed', to: 'sha256:2', packages: [] },
    ]);
  });

  it('compares facts that are no objects as a whole', () => {
    expect(between({ facts: 'old' }, { facts: 'new' })).to.deep.equal([
      { type: 'fact-changed', field: '', from: 'old', to: 'new' },
    ]);
    expect(between({ facts: [1] }, { facts: { packages: { a: '1' } } }).map(({ type }) => type)).to.deep.equal([
      'fact-changed',
    ]);
    expect(between({ facts: null }, { facts: { packages: { a: '1' } } })).to.deep.equal([
      { type: 'package-added', name: 'a', version: '1' },
    ]);
  });

  it('treats a list of packages without versions like any other fact', () => {
    expect(between({ facts: { packages: ['punkt'] } }, { facts: { packages: ['stopwords'] } })).to.deep.equal([
      { type: 'fact-changed', field: 'packages', from: ['punkt'], to: ['stopwords'] },
    ]);
  });

  it('names every field, not only the first', () => {
    const after: KeyRecord = {
      format: 2,
      kind: 'install-deps-uv',
      revision: 2,
      code: 'x',
      config: { requirements: 'other.txt' },
      values: { python: { version: '3.13.2' } },
      facts: { packages: {} },
      env: { DEBUG: '1' },
      secrets: { TOKEN: { label: '', isSet: true } },
      platform: { OSFamily: 'darwin' },
      files: {},
      exists: { Procfile: true },
      builder: 'name:a',
      trees: {},
      tools: { pip: [DIGEST.a] },
      scope: 'shop',
    };
    expect(new Set(differences(RECORD, after).map(({ type }) => type))).to.deep.equal(
      new Set([
        'key-format-changed',
        'kind-changed',
        'plugin-revised',
        'plugin-code-changed',
        'config-changed',
        'input-changed',
        'package-removed',
        'variable-added',
        'secret-added',
        'platform-changed',
        'builder-changed',
        'file-removed',
        'presence-changed',
        'layer-removed',
        'tool-added',
        'scope-changed',
      ]),
    );
  });

  describe('values', () => {
    const fields = (before: JSONValue, after: JSONValue) =>
      between({ config: { at: before } }, { config: { at: after } }).map((reason) => {
        if (reason.type !== 'config-changed') throw new Error(reason.type);
        const { type: _type, ...rest } = reason;
        return rest;
      });

    it('are compared field by field, whatever their field names', () => {
      expect(fields({ a: { b: 1, 'c.d': 2 }, e: 3 }, { a: { b: 2, 'c.d': 4 }, e: 3 })).to.deep.equal([
        { field: 'at.a.b', from: 1, to: 2 },
        { field: 'at.a["c.d"]', from: 2, to: 4 },
      ]);
    });

    it('have no `from` if a field is new, and no `to` if it was removed', () => {
      expect(fields({ a: 1, c: null }, { b: false })).to.deep.equal([
        { field: 'at.a', from: 1 },
        { field: 'at.b', to: false },
        { field: 'at.c', from: null },
      ]);
    });

    it('are compared item by item if they are arrays of equally many objects, and other arrays as a whole', () => {
      expect(fields([{ run: 'a' }, { run: 'b' }], [{ run: 'a' }, { run: 'c' }])).to.deep.equal([
        { field: 'at[1].run', from: 'b', to: 'c' },
      ]);
      expect(fields(['a'], ['a', 'b'])).to.deep.equal([{ field: 'at', from: ['a'], to: ['a', 'b'] }]);
      expect(fields([{ a: 1 }], [])).to.deep.equal([{ field: 'at', from: [{ a: 1 }], to: [] }]);
      expect(fields([{ a: 1 }], ['a'])).to.deep.equal([{ field: 'at[0]', from: { a: 1 }, to: 'a' }]);
    });
  });

  it('never contains the value of a variable', () => {
    const found = between({ env: { OLD: 'hunter2', BOTH: 'hunter2' } }, { env: { NEW: 'hunter2', BOTH: 'hunter2-2' } });
    expect(found).to.deep.equal([
      { type: 'variable-changed', name: 'BOTH' },
      { type: 'variable-added', name: 'NEW' },
      { type: 'variable-removed', name: 'OLD' },
    ]);
  });

  it('says what changed about a secret', () => {
    const before = { A: { label: '1', isSet: true }, B: { label: '', isSet: true }, C: { label: '', isSet: false } };
    const after = { A: { label: '2', isSet: false }, B: { label: '', isSet: true, mayStore: true as const } };
    expect(between({ secrets: before }, { secrets: after })).to.deep.equal([
      { type: 'secret-unset', name: 'A' },
      { type: 'secret-changed', name: 'A', field: 'label', from: '1', to: '2' },
      { type: 'secret-changed', name: 'B', field: 'mayStore', to: true },
      { type: 'secret-removed', name: 'C' },
    ]);
  });

  describe('files', () => {
    it('are reported as added, removed or changed, or with their new mode', () => {
      const before = { a: DIGEST.a, b: DIGEST.a, c: DIGEST.a, d: `${DIGEST.a} executable`, e: `${DIGEST.a} mode 0600` };
      const after = { b: DIGEST.b, c: `${DIGEST.a} executable`, d: `${DIGEST.b} mode 0700`, e: DIGEST.a, f: DIGEST.a };
      expect(between({ files: before }, { files: after })).to.deep.equal([
        { type: 'file-removed', path: 'a' },
        { type: 'file-changed', path: 'b' },
        { type: 'file-mode-changed', path: 'c', from: '0644', to: '0755' },
        { type: 'file-changed', path: 'd' },
        { type: 'file-mode-changed', path: 'd', from: '0755', to: '0700' },
        { type: 'file-mode-changed', path: 'e', from: '0600', to: '0644' },
        { type: 'file-added', path: 'f' },
      ]);
    });

    it('can be symbolic links', () => {
      const before = { link: '-> old', both: '-> target' };
      expect(between({ files: before }, { files: { link: '-> new', both: DIGEST.a } })).to.deep.equal([
        { type: 'file-changed', path: 'both' },
        { type: 'link-changed', path: 'link', from: 'old', to: 'new' },
      ]);
    });

    it('include a folder only if it existed before and still exists', () => {
      const before = { 'in/a': DIGEST.a, 'in/': 'mode 0750', 'out/deep/a': DIGEST.a };
      const after = {
        'in/a': DIGEST.a,
        'out/deep/a': DIGEST.a,
        'out/': 'mode 0700',
        'new/a': DIGEST.a,
        'new/': 'mode 0700',
      };
      expect(between({ files: before }, { files: after })).to.deep.equal([
        { type: 'file-mode-changed', path: 'in/', from: '0750', to: '0755' },
        { type: 'file-added', path: 'new/a' },
        { type: 'file-mode-changed', path: 'out/', from: '0755', to: '0700' },
      ]);
    });
  });

  it('distinguishes a path that appeared from a path that the node did not check before', () => {
    const [before, after] = [
      { there: false, gone: true, old: true },
      { there: true, gone: false, new: false },
    ];
    expect(between({ exists: before }, { exists: after })).to.deep.equal([
      { type: 'presence-changed', path: 'gone', from: true, to: false },
      { type: 'presence-changed', path: 'new', to: false },
      { type: 'presence-changed', path: 'old', from: true },
      { type: 'presence-changed', path: 'there', from: false, to: true },
    ]);
  });

  it('names the nodes that made new layers, and reports removed and reordered layers without one', () => {
    const { a, b, c } = DIGEST;
    const trees = (before: readonly string[], after: readonly string[]) =>
      between({ trees: { port: before } }, { trees: { port: after } });
    expect(trees([a, b], [a, c])).to.deep.equal([{ type: 'layer-changed', port: 'port', nodes: ['maker-c'] }]);
    expect(trees([a], [a, b, c])).to.deep.equal([{ type: 'layer-added', port: 'port', nodes: ['maker-b', 'maker-c'] }]);
    expect(trees([a, b], [a])).to.deep.equal([{ type: 'layer-removed', port: 'port' }]);
    expect(trees([a, b], [b, a])).to.deep.equal([{ type: 'layers-reordered', port: 'port' }]);
    expect(between({ tools: { t: [a], u: [a] } }, { tools: { t: [b], v: [c] } })).to.deep.equal([
      { type: 'tool-changed', port: 't', nodes: ['maker-b'] },
      { type: 'tool-removed', port: 'u' },
      { type: 'tool-added', port: 'v', nodes: ['maker-c'] },
    ]);
  });
});
