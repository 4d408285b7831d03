// An archive of a Python of this machine, as a platform would offer one, so that builds fetch a runtime from the loopback address.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { serve } from './archive-server.mjs';
import { briefly, copyExample } from './built-app.mjs';
import { makeFolder, networkEnv, pyflowTime, remove, root, skippedFigure } from './measure.mjs';

export const STACK = 'scalingo-24';

/** Variables of a build that fetches its runtime from the mirror. The pipeline needs `STACK`, too. */
export function archiveEnv({ pins }, mirror) {
  // The archive comes over plain http, and reading further CA certificates would double the start of Node.
  const { NODE_EXTRA_CA_CERTS: _unused, ...network } = networkEnv;
  return {
    ...network,
    no_proxy: [networkEnv.no_proxy, '127.0.0.1'].filter(Boolean).join(),
    PYFLOW_SCALINGO_MIRROR: mirror,
    PYFLOW_PINS: pins,
  };
}

/**
 * Calls `measure` with an archive, the URL that serves it, and a new folder; all three are gone afterwards. Gives one skipped
 * figure with this name if there can be no archive.
 */
export async function withArchive(name, measure) {
  const folder = makeFolder();
  let server;
  try {
    let archive;
    try {
      archive = makeArchive(folder);
    } catch (error) {
      return [skippedFigure(name, `no archive of a runtime can be made here: ${briefly(error)}`)];
    }
    server = serve(archive.folder);
    return await measure(archive, server.url, folder);
  } finally {
    server?.close();
    remove(folder);
  }
}

/** Packs a Python of this machine, in its normal form, as the platform does, and writes a file that pins the archive. */
function makeArchive(folder) {
  const [app, cache, out, archives] = ['app', 'cache', 'runtime', 'archives'].map((name) => join(folder, name));
  for (const path of [app, archives]) mkdirSync(path);
  copyExample('pip', app);
  const pipeline = join(folder, 'runtime.yml');
  const providers = ['system'];
  writeFileSync(
    pipeline,
    JSON.stringify({
      pyflow: 1,
      name: 'runtime',
      nodes: {
        manager: { uses: 'package-manager' },
        version: { uses: 'version-resolve', with: { stack: STACK, providers }, inputs: { manager: 'manager.name' } },
        runtime: { uses: 'fetch-runtime', with: { providers }, inputs: { python: 'version.python' } },
      },
    }),
  );
  const reportFile = join(folder, 'report.json');
  const places = [`--app=${app}`, `--out=${out}`, `--cache-dir=${cache}`, `--report=${reportFile}`, '--log=plain'];
  pyflowTime(['run', pipeline, ...places]);
  const { version } = JSON.parse(readFileSync(reportFile, 'utf8')).nodes.runtime.outputs;
  const { name: pattern, architectures } = readData('platform-archives.json');
  const values = { version, distro: 'ubuntu', release: '24.04', arch: architectures[process.arch] };
  const name = pattern.replaceAll(/\{(\w+)\}/g, (_, field) => values[field]);
  const file = join(archives, name);
  execFileSync('tar', ['-C', join(out, '.scalingo/python'), '--zstd', '-cf', file, '.']);
  const pins = join(folder, 'pins.json');
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  writeFileSync(pins, JSON.stringify({ archives: { [name]: { sha256, sizeBytes: statSync(file).size } } }));
  return { folder: archives, name, pins, version };
}

export function readData(name) {
  return JSON.parse(readFileSync(join(root, 'src/manifests/catalogue/data', name), 'utf8'));
}
