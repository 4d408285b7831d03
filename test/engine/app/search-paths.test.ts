import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { searchPathFiles, searchPathVariables } from '../../../src/engine/app/search-paths.js';
import { hasNamespaces } from '../../support/namespaces.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';
import { skipBecause } from '../../support/skip.js';

const PIPELINE = `pyflow: 1
name: search
nodes:
  hook: { uses: hook, with: { script: bin/pre_compile } }
  plain: { uses: command, with: { argv: [sh, -c, 'echo "$PATH"; ls -a'], reads: [], writes: [] } }
`;
const PATHS = { PATH: ['.apt/usr/bin'], GEO: ['.geo/share'] };

describe('engine/app/search-paths', () => {
  it('puts folders of the app before those of the machine', () => {
    expect(searchPathVariables(PATHS, '/x')['PATH']).to.match(/^\/x\/\.apt\/usr\/bin:\/usr\/local\/sbin:/);
    expect(searchPathVariables(PATHS)['GEO']).to.equal('/app/.geo/share');
  });

  it('covers a whole hidden folder, one part of a shared one, and nothing of the app', () => {
    const paths = { PATH: ['.apt/usr/bin', '.heroku/node/bin', '.scalingo', 'node_modules/.bin', '.apt/bin'] };
    expect(searchPathFiles(paths)).to.deep.equal(['.apt', '.heroku/node']);
  });

  for (const sandbox of ['none', 'required'] as const) {
    it(`shows the folders only to nodes that build code (sandbox ${sandbox})`, async function () {
      if (sandbox === 'required' && !(await hasNamespaces())) {
        return skipBecause(this, 'this machine has no namespaces');
      }
      const work = new Workspace().pipeline(PIPELINE).write({
        'bin/pre_compile': 'geo-config; echo "$GEO"; ls "$GEO"',
        '.apt/usr/bin/geo-config': '#!/bin/sh\necho found\n',
        '.geo/share/table': '',
      });
      try {
        chmodSync(join(work.appDir, '.apt/usr/bin/geo-config'), 0o755);
        const report = await work.run({ sandbox, searchPaths: PATHS });
        expect(outcomesOf(report)).to.deep.equal({ hook: 'executed', plain: 'executed' });
        const printed = (node: string): string =>
          work.events
            .flatMap((event) => (event.type === 'node-printed' && event.node === node ? [event.text] : []))
            .join('\n');
        expect(printed('hook')).to.match(/\nfound\n.*\/\.geo\/share\ntable$/);
        expect(printed('plain')).not.to.match(/\.apt|\.geo/);
      } finally {
        work.cleanUp();
      }
    });
  }

  it('makes their content part of the key of a node that builds code', async () => {
    const work = new Workspace().pipeline(PIPELINE).write({ '.apt/usr/bin/x': 'one' });
    try {
      const keys = async (searchPaths = PATHS) => {
        const { nodes } = await work.run({ searchPaths });
        return [nodes['hook']?.key, nodes['plain']?.key];
      };
      const [hook, plain] = await keys();
      expect(await keys({ ...PATHS, PATH: [] })).to.satisfy(([h, p]: string[]) => h !== hook && p === plain);
      work.write({ '.apt/usr/bin/x': 'two' });
      expect(await keys()).to.satisfy(([h, p]: string[]) => h !== hook && p === plain);
    } finally {
      work.cleanUp();
    }
  });
});
