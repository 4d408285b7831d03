// Runs typical commands and stores the code that V8 compiled for them beside the bundles, so that no start compiles it again.
// build.mjs bundles it and starts it in a separate process, with the folder, the bundles' names, the version and a pipeline file.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBundles } from '../src/cli/bundles.ts';

const [, , folder, names, version, pipeline] = process.argv;
const { start, fromBundle, scripts } = loadBundles(folder, JSON.parse(names), false);
const place = mkdtempSync(join(tmpdir(), 'pyflow-warm-up-'));
process.env['XDG_CACHE_HOME'] = join(place, '.cache');
const world = start.processWorld(version);
try {
  writeFileSync(join(place, 'in'), 'one');
  writeFileSync(
    join(place, 'small.yml'),
    `pyflow: 1
name: small
nodes:
  a: { uses: command, with: { argv: [sh, -c, "cat in > a; echo done"], reads: [in], writes: [a] } }
  b: { uses: command, after: [a], with: { argv: [cp, a, b], reads: [a], writes: [b] } }
  c: { uses: command, with: { argv: ["true"], reads: [], writes: [] } }
`,
  );
  const places = ['--app', place, '--out', join(place, '.slug')];
  const main = async (...argv) => {
    const status = await start.main(argv, world);
    if (status !== 0) throw new Error(`pyflow ${argv.join(' ')} ended with status ${status}`);
  };
  const small = (command, ...more) => main(command, join(place, 'small.yml'), ...places, ...more);
  const run = (...more) => small('run', '--sandbox', 'none', ...more);

  await main('check', pipeline);
  await run('--log', 'plain');
  await run('--log', 'plain');
  writeFileSync(join(place, 'in'), 'two');
  await run('--log', 'ndjson');
  await small('plan');
  await main('graph', pipeline, '--format', 'html');
  await callNobody(fromBundle('grpc'));
  await askNobody(fromBundle('gateway'));
  for (const [name, script] of scripts) {
    const file = join(folder, `${name}.cache`);
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, script.createCachedData());
    renameSync(temporary, file);
  }
} finally {
  rmSync(place, { recursive: true, force: true });
}
process.exit(0);

/** A call to a port that refuses connections runs most of the library. */
async function callNobody({ Client, credentials, Metadata }) {
  const client = new Client('dns:127.0.0.1:1', credentials.createInsecure(), {});
  const asIs = (bytes) => bytes;
  const deadline = Date.now() + 5000;
  await new Promise((done) =>
    client.makeUnaryRequest('/a/b', asIs, asIs, Buffer.alloc(0), new Metadata(), { deadline }, done),
  );
  client.close();
}

/** A certificate, and a request to a port that refuses connections. */
async function askNobody({ Agent, request, X509CertificateGenerator }) {
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
  await X509CertificateGenerator.createSelfSigned({ serialNumber: '01', name: 'CN=pyflow', signingAlgorithm, keys });
  await request('http://127.0.0.1:1/', { dispatcher: new Agent() }).catch(() => {});
}
