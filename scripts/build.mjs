// Bundles src into dist: an entry of a few kilobytes, one chunk a command and more where they pay; no node_modules needed
// at run time. `node scripts/build.mjs [DIR]` builds elsewhere, for tests. Unaware of what the code does.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = resolve(root, process.argv[2] ?? 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// CommonJS dependencies ask for Node's modules by require(), which ES modules lack.
const banner =
  "import{createRequire as pyflowCreateRequire}from'node:module';const require=pyflowCreateRequire(import.meta.url);";
/** Only chunks with such dependencies pay for it. The line stays, for the source map. */
const withoutIdleBanner = (text) => (/\brequire\b/.test(text.replace(banner, '')) ? text : text.replace(banner, ''));

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { cli: 'src/cli.ts', sdk: 'src/engine/sdk.ts' },
  outdir,
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifyWhitespace: true,
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  define: { PYFLOW_VERSION: JSON.stringify(version) },
  banner: { js: banner },
  write: false,
  logLevel: 'warning',
});

// Chunks bear the digest of their content and entries go last, so a pyflow that starts during a build still works.
const isEntry = (path) => dirname(path) === outdir && path.endsWith('.js');
const ordered = [...outputFiles].sort((a, b) => Number(isEntry(a.path)) - Number(isEntry(b.path)));
const kept = new Set();
for (const { path, text, contents } of ordered) {
  kept.add(relative(outdir, path));
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}`);
  await writeFile(temporary, path.endsWith('.js') ? withoutIdleBanner(text) : contents);
  if (basename(path) === 'cli.js') await chmod(temporary, 0o755);
  await rename(temporary, path);
}
for (const entry of await readdir(outdir, { recursive: true, withFileTypes: true })) {
  const path = relative(outdir, join(entry.parentPath, entry.name));
  if (entry.isFile() && /\.js(\.map)?$/.test(path) && !kept.has(path)) await rm(join(outdir, path), { force: true });
}

// The types of the sdk, for authors of outside plugins. Errors of types are the business of `npm run typecheck`.
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
