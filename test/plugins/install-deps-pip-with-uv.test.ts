import { expect } from 'chai';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Folder } from '../../src/engine/files/folder.js';
import { leaveAsPip, pipLauncher } from '../../src/plugins/install-deps-pip/with-uv.js';

const LAUNCHER = `#!/app/.scalingo/python/bin/python
# -*- coding: utf-8 -*-
import sys
from tool.cli import app
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(app.main())
`;

describe('plugins/install-deps-pip/with-uv', () => {
  it('writes launchers like pip, and keeps other scripts unchanged', () => {
    expect(pipLauncher(LAUNCHER)).to.equal(`#!/app/.scalingo/python/bin/python
import sys
from tool.cli import app
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(app.main())
`);
    for (const script of ['#!/app/bin/python\nimport sys\nsys.exit(1)\n', ''])
      expect(pipLauncher(script)).to.equal(script);
  });

  it('leaves the same metadata, lines and folders as pip', async () => {
    const root = mkdtempSync(join(tmpdir(), 'pyflow-as-pip-'));
    try {
      const site = 'home/lib/python3.12/site-packages';
      const record = (name: string): string =>
        `${name}-1.dist-info/REQUESTED,sha256=x,0\n${name}-1.dist-info/RECORD,,\n${name}-1.dist-info/INSTALLER,sha256=uv,2\n${name}.py,sha256=y,1\n`;
      for (const name of ['Asked', 'needed']) {
        for (const [file, text] of Object.entries({ INSTALLER: 'uv', REQUESTED: '', RECORD: record(name) })) {
          const path = join(root, site, `${name}-1.dist-info`, file);
          mkdirSync(dirname(path), { recursive: true });
          writeFileSync(path, text);
        }
      }
      mkdirSync(join(root, site, 'empty/deeper'), { recursive: true });
      await leaveAsPip(new Folder(root), { home: 'home', minor: '3.12', sitePackages: site }, new Set(['asked']));
      const read = (path: string): string => readFileSync(join(root, site, path), 'utf8');
      expect(read('needed-1.dist-info/INSTALLER')).to.equal('pip\n');
      expect(read('needed-1.dist-info/RECORD')).to.equal(
        'needed-1.dist-info/INSTALLER,sha256=zuuue4knoyJ-UwPPXg8fezS7VCrXJQrAP7zeNuwvFQg,4\r\nneeded-1.dist-info/RECORD,,\r\nneeded.py,sha256=y,1\r\n',
      );
      expect(existsSync(join(root, site, 'needed-1.dist-info/REQUESTED'))).to.equal(false);
      expect(read('Asked-1.dist-info/RECORD')).to.contain('Asked-1.dist-info/REQUESTED,');
      expect(existsSync(join(root, site, 'empty'))).to.equal(false);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
