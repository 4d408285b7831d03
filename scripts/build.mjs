// Bundles src into dist: an entry of a few kilobytes, bundles with the code that V8 compiled for them, the sdk, and the
// licences of the bundled packages. The program needs no node_modules at run time. `node scripts/build.mjs [DIR]` builds
// elsewhere, for tests.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundles } from './bundles.mjs';
import { licenseTexts } from './licenses.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = resolve(root, process.argv[2] ?? 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const settings = {
  target: 'node20.19',
  minify: true,
  sourcemap: 'external',
  sourcesContent: false,
  legalComments: 'none',
};

const PROGRAMS = ['cli.js', 'pyflow-node.cjs'];
const kept = new Set();
/** By rename: readers see the old file or the new one, and each entry finds the bundles it was built with. */
async function write(path, content) {
  kept.add(path);
  const temporary = join(outdir, dirname(path), `.${basename(path)}.${process.pid}`);
  await mkdir(dirname(temporary), { recursive: true });
  await writeFile(temporary, content);
  if (PROGRAMS.includes(path)) await chmod(temporary, 0o755);
  await rename(temporary, join(outdir, path));
}

const names = {};
const maps = [];
for (const [bundle, { text, map }] of Object.entries(await bundles(root, settings))) {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const name = `chunks/${bundle}-${digest}.cjs`;
  names[bundle] = name;
  maps.push(map);
  await write(name, `${text}//# sourceMappingURL=${basename(name)}.map\n`);
  await write(`${name}.map`, map);
  kept.add(`${name}.cache`);
}

// The program that runs an outside plugin. It imports the plugin, so it can't be part of the bundles.
const pluginHost = await build({
  ...settings,
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
  outfile: 'plugin-host.js',
  entryPoints: ['src/plugin-host/main.ts'],
  logLevel: 'warning',
});
const [pluginHostMap, pluginHostText] = pluginHost.outputFiles.map(({ text }) => text);
maps.push(pluginHostMap);
const pluginHostName = `chunks/plugin-host-${createHash('sha256').update(pluginHostText).digest('hex').slice(0, 12)}.js`;
await write(pluginHostName, pluginHostText);

// The program of remote workers: one file, because it is started anew for each action.
const worker = await build({
  ...settings,
  absWorkingDir: root,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  write: false,
  outfile: 'pyflow-node.cjs',
  entryPoints: ['src/pyflow-node/main.ts'],
  define: { PYFLOW_VERSION: JSON.stringify(version) },
  logLevel: 'warning',
});
const [workerMap, workerText] = worker.outputFiles.map(({ text }) => text);
maps.push(workerMap);
await write('pyflow-node.cjs', workerText);

// In a separate process without flags: V8 accepts code only from the same version with the same flags.
const modules = { ...settings, absWorkingDir: root, bundle: true, format: 'esm', platform: 'node', write: false };
const warmUp = await build({ ...modules, entryPoints: ['scripts/code-cache.mjs'], sourcemap: false });
const { PATH, HOME, TMPDIR } = process.env;
const { status, stderr } = spawnSync(
  process.execPath,
  ['--input-type=module', '-', outdir, JSON.stringify(names), version, join(root, 'pipelines/python.yml')],
  {
    input: warmUp.outputFiles[0].text,
    env: { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) },
    encoding: 'utf8',
    stdio: ['pipe', 'ignore', 'pipe'],
  },
);
if (status !== 0)
  process.stderr.write(`pyflow will start slower, because its compiled code could not be stored: ${stderr}\n`);

const entries = await build({
  ...modules,
  entryPoints: { sdk: 'src/engine/sdk.ts', cli: 'src/cli.ts' },
  outdir,
  sourcemap: 'linked',
  define: Object.fromEntries(
    Object.entries({
      VERSION: version,
      BUNDLES: JSON.stringify(names),
      PLUGIN_HOST: pluginHostName,
    }).map(([name, value]) => [`PYFLOW_${name}`, JSON.stringify(value)]),
  ),
  logLevel: 'warning',
});
for (const { path, contents, text } of entries.outputFiles) {
  await write(relative(outdir, path), contents);
  if (path.endsWith('.map')) maps.push(text);
}
await write('THIRD-PARTY-LICENSES.txt', licenseTexts(root, maps));

// Newer files belong to a build that is running, or to a pyflow that has just started.
const oldEnough = Date.now() - 10_000;
for (const entry of await readdir(outdir, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !/\.c?js(\.map|\.cache)?$/.test(file) || kept.has(relative(outdir, file))) continue;
  const stat = await lstat(file).catch(() => undefined);
  if (stat !== undefined && stat.mtimeMs < oldEnough) await rm(file, { force: true });
}

// The types of the sdk, for authors of outside plugins. `npm run typecheck` reports type errors.
const types = join(outdir, 'types');
await rm(types, { recursive: true, force: true });
const tsc = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc');
const options =
  '--ignoreConfig --declaration --emitDeclarationOnly --skipLibCheck --target es2023 --module nodenext --types node';
spawnSync(process.execPath, [tsc, ...options.split(' '), '--rootDir', 'src', '--outDir', types, 'src/engine/sdk.ts'], {
  cwd: root,
  stdio: 'ignore',
});
await writeFile(join(outdir, 'sdk.d.ts'), "export * from './types/engine/sdk.js';\n");
