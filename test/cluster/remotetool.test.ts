// Trees that pyflow has stored, in the eyes of a client of another project: what it downloads is what was stored, and the digest that
// it computes of that is pyflow's.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { Digest } from '../../src/engine/files/digest.js';
import { limits, put, randomTrees, transportTo } from '../servers/remote-transport.js';
import { casd } from '../support/casd.js';
import { bazelRemote } from '../support/servers/bazel-remote.js';
import { bringOrSkip } from '../support/servers/bring.js';
import type { CacheServer } from '../support/servers/cache-server.js';
import { kajiya } from '../support/servers/kajiya.js';

const COUNT = 20;
/** It uploads no tree with a link that leads out of it. */
const inside = fc.string({ minLength: 1, maxLength: 20 }).filter((target) => !/^\.|\//.test(target));
const run = promisify(execFile);

for (const kind of [casd, bazelRemote, kajiya]) {
  describe(`remotetool as a second client of ${kind.name}`, function () {
    this.timeout(120_000);
    let program: string;
    let folder: string;
    let server: CacheServer;
    before(async function () {
      kind.need(this);
      program = bringOrSkip(this, 'remotetool');
      folder = mkdtempSync(join(tmpdir(), 'pyflow-remotetool-'));
      server = await kind.start();
    });
    after(async () => {
      await server?.stop();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    });

    const remotetool = async (operation: string, ...options: readonly string[]): Promise<void> => {
      const service = [`-service=127.0.0.1:${server.address.port}`, '-service_no_security', '-instance='];
      const args = [...service, `-operation=${operation}`, '-alsologtostderr', `-log_dir=${folder}`, ...options];
      await run(program, args, { timeout: 60_000, env: { PATH: process.env['PATH'], HOME: folder } });
    };

    it(`gives it ${COUNT} of ${COUNT} random trees, whose digests it confirms`, async () => {
      const blobs = new Map<Digest, Buffer>();
      const roots = randomTrees(COUNT, blobs, inside);
      const transport = await transportTo(server.url);
      await transport.capabilities(limits());
      await put(transport, blobs);
      transport.close();
      for (const [index, root] of roots.entries()) {
        const tree = join(folder, `tree-${index}`);
        const report = join(folder, `report-${index}.json`);
        await remotetool('download_dir', `-digest=${root}`, `-path=${tree}`);
        await remotetool('upload_dir', `-path=${tree}`, '-symlink_behavior=preserve', `-json=${report}`);
        expect(rootIn(report), `tree ${index}`).to.equal(root);
      }
    });
  });
}

function rootIn(report: string): string {
  const { RootDigest: root } = JSON.parse(readFileSync(report, 'utf8')) as {
    readonly RootDigest: { readonly Hash: string; readonly Size: number };
  };
  return `${root.Hash}/${root.Size}`;
}
