// Images of a real app through umoci, a program of another project: it accepts them, and what it unpacks is the slug and boots.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'chai';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { SLUG_MARKERS } from '../../src/engine/app/source-names.js';
import { removeTree } from '../../src/engine/files/remove-tree.js';
import { answerOf, onThisSystem, outputIn } from '../support/oci-boot.js';
import { contentOf, layerTars, readImages } from '../support/oci.js';
import { pyenvVersions } from '../support/runtimes.js';
import { bringOrSkip } from '../support/servers/bring.js';
import { skipBecause } from '../support/skip.js';
import { Workspace } from '../support/workspace.js';

const ROOT = resolve(import.meta.dirname, '../..');
const MINOR = '3.13';
const APP = {
  '.python-version': `${MINOR}\n`,
  'requirements.txt': 'itsdangerous==2.2.0\n',
  'server.py': `
import http.server, os, sys
import itsdangerous
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ' '.join([itsdangerous.__version__, sys.prefix, os.getcwd(), os.environ['GREETING']]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`,
  Procfile: 'web: python server.py\nrelease: python -c "print(1)"\n',
  '.profile.d/greeting.sh': 'export GREETING=hello\ncd /tmp\nset -- lost\ncd /app\n',
};

describe('images of an app', function () {
  this.timeout(120_000);
  let umoci: string;
  let work: Workspace;
  before(function () {
    if (!pyenvVersions().some((version) => version.startsWith(`${MINOR}.`)))
      skipBecause(this, `no CPython ${MINOR} under pyenv`);
    if (!existsSync('/usr/bin/bwrap')) skipBecause(this, 'no bubblewrap');
    umoci = bringOrSkip(this, 'umoci');
    work = new Workspace().write(APP);
  });
  after(() => work !== undefined && void removeTree(work.root));

  for (const compression of ['zstd', 'gzip'] as const) {
    it(`are unpacked by another program (${compression}), equal the slug and boot`, async () => {
      const path = join(work.root, `image-${compression}`);
      const report = await work.run({
        pipelineFile: join(ROOT, 'pipelines/python.yml'),
        sandbox: 'auto',
        params: { providers: '["system"]' },
        passThrough: passThroughOf(process.env),
        outputs: [{ type: 'oci', path, compression }],
      });
      expect(report.status, JSON.stringify(report.failure)).to.equal('succeeded');
      const image = readImages(path).get('web')!;
      layerTars(path, image);
      const bundle = join(work.root, `bundle-${compression}`);
      const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
      execFileSync(umoci, ['unpack', ...rootless, '--image', `${path}:web`, bundle], { stdio: 'pipe' });
      const root = join(bundle, 'rootfs');
      expect(contentOf(join(root, 'app'))).to.deep.equal(contentOf(work.outDir, SLUG_MARKERS));
      const answer = await answerOf(onThisSystem(root), image);
      expect(answer).to.equal('2.2.0 /app/.scalingo/python /app hello');
      const said = outputIn(
        onThisSystem(root),
        image,
        'python',
        '-c',
        'import itsdangerous, sys; print(sys.argv[1:])',
        'a b',
      );
      expect(said).to.equal("['a b']\n");
    });
  }
});
