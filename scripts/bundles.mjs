// Makes the bundles of the program: `start`, with what cli/start.ts imports statically; `draw`, which draws graphs; one for each
// module of LIBRARIES; and `run`, with everything else that is imported dynamically. src/cli/bundles.ts loads them. A module of
// `start` is in no other bundle; `draw` and `run` share only modules without state.

import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';

import { relative, resolve } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const START = 'src/cli/start.ts';
const DRAW = 'src/engine/render/drawing.ts';
const ZSTD_BYTES = 'src/engine/slug/zstd-bytes.ts';
/** Modules that only import large libraries. Each is a bundle, so that nothing else of a run reads the library. */
const LIBRARIES = {
  grpc: 'src/engine/remote/grpc-library.ts',
  gateway: 'src/engine/packages/libraries.ts',
};
const NOT_ASCII = /[^\0-\x7f]/;

// Parameters as in src/cli/bundles.ts. In parentheses, so that V8 compiles it at once if there is no compiled code.
const HEAD =
  "(typeof module==='object'?run=>{module.exports=run}:run=>run)((function(module,require,pyflowFromStart,pyflowFromRun,pyflowFromBundle){";
const TAIL = '}))';

/** Each as `{ text, map }`. `settings` are esbuild's. */
export async function bundles(root, settings) {
  const common = {
    ...settings,
    absWorkingDir: root,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    // Named only in code for bundlers of web pages; see zstdInside.
    loader: { '.wasm': 'empty' },
    define: { __dirname: '"/"' },
    banner: { js: HEAD },
    footer: { js: TAIL },
    outfile: resolve(root, 'bundle.cjs'),
    write: false,
    metafile: true,
    logLevel: 'warning',
  };
  const first = await build({
    ...common,
    entryPoints: [START],
    plugins: [apart(() => ({ external: true }))],
  });
  // What `run` uses of a module of `start` may need further modules, which belong to `start` then as well.
  for (let ofStart = modulesIn(first); ;) {
    const made = await dividedBy(ofStart, root, common);
    const found = modulesIn(made.start);
    if ([...found].every((path) => ofStart.has(path)))
      return Object.fromEntries(Object.entries(made).map(([bundle, output]) => [bundle, textAndMap(output)]));
    ofStart = new Set([...ofStart, ...found]);
  }
}

/** Source files of which something is in the one output. */
function modulesIn({ metafile }) {
  const [{ inputs }] = Object.values(metafile.outputs).filter(({ entryPoint }) => entryPoint !== undefined);
  return new Set(Object.keys(inputs).filter((path) => path.startsWith('src/') && inputs[path].bytesInOutput > 0));
}

/** All bundles, where the modules of `start` are known. */
async function dividedBy(ofStart, root, common) {
  const name = (path) => relative(root, path);
  const asked = new Set();
  const toRun = apart((path) => {
    if (ofStart.has(name(path))) return undefined;
    if (name(path) === DRAW) return { path: DRAW, namespace: 'draw' };
    const library = libraryAt(name(path));
    if (library !== undefined) return { path: library, namespace: 'library' };
    asked.add(path);
    return { path: name(path), namespace: 'run' };
  });
  const shared = new Set();
  const start = () =>
    build({
      ...common,
      stdin: { contents: entryOfStart([...shared].sort()), resolveDir: root },
      plugins: [
        toRun,
        escaped,
        stubs('run', (path) => `module.exports=pyflowFromRun(${JSON.stringify(path)})`),
        stubs('draw', () => 'module.exports=pyflowFromBundle("draw")'),
        toLibrary,
      ],
    });
  await start();

  const fromStart = {
    name: 'from-start',
    setup: ({ onResolve }) =>
      void onResolve({ filter: /^\./, namespace: 'file' }, async ({ path, resolveDir, importer }) => {
        if (importer.includes('/node_modules/')) return undefined;
        const asked = name(resolve(resolveDir, path));
        const file = [asked, asked.replace(/\.js$/, '.ts')].find((one) => ofStart.has(one));
        if (file === undefined) return undefined;
        shared.add(file);
        return { path: file, namespace: 'start' };
      }),
  };
  const librariesApart = apart((path) => {
    const library = libraryAt(name(path));
    return library === undefined ? undefined : { path: library, namespace: 'library' };
  });
  const startStubs = stubs('start', (path) => `module.exports=pyflowFromStart(${JSON.stringify(path)})`);
  const run = await build({
    ...common,
    stdin: { contents: entryOfRun([...asked].sort(), name), resolveDir: root },
    plugins: [librariesApart, fromStart, zstdInside, slimLibraries, escaped, startStubs, toLibrary],
  });
  const draw = await build({ ...common, entryPoints: [DRAW], plugins: [fromStart, escaped, startStubs] });
  const libraries = {};
  for (const [library, path] of Object.entries(LIBRARIES))
    libraries[library] = await build({ ...common, entryPoints: [path], plugins: [slimLibraries, escaped] });
  return { start: await start(), run, draw, ...libraries };
}

const entryOfStart = (shared) =>
  [
    `export{main,leave,processWorld}from'./${START}';`,
    ...shared.map((path, index) => `import*as m${index} from'./${path}';`),
    `export const shared={${shared.map((path, index) => `${JSON.stringify(path)}:()=>m${index}`).join(',')}};`,
  ].join('\n');

/** With `require`, esbuild evaluates a module and its imports on demand. */
const entryOfRun = (paths, name) =>
  `module.exports={${paths.map((path) => `${JSON.stringify(name(path))}:()=>require(${JSON.stringify(path)})`).join(',')}}`;

/** Bundles are read as Latin-1, but esbuild escapes other characters only in strings, not in regular expressions. */
const escaped = {
  name: 'escaped',
  setup: ({ onLoad }) =>
    void onLoad({ filter: /\.[cm]?[jt]s$/, namespace: 'file' }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      if (!NOT_ASCII.test(text)) return undefined;
      const contents = text.replaceAll(
        new RegExp(NOT_ASCII, 'g'),
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
      return { contents, loader: path.endsWith('ts') ? 'ts' : 'js' };
    }),
};

/** Resolves dynamic imports, except those of Node's own modules, by a function of the absolute path. */
const apart = (place) => ({
  name: 'apart',
  setup: ({ onResolve, resolve: find }) =>
    void onResolve({ filter: /./ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
      if (kind !== 'dynamic-import' || pluginData === 'apart' || isBuiltin(path)) return undefined;
      const found = await find(path, { kind, resolveDir, importer, pluginData: 'apart' });
      return found.errors.length > 0 ? { errors: found.errors } : place(found.path);
    }),
});

const stubs = (namespace, text) => ({
  name: `stubs-${namespace}`,
  setup: ({ onLoad }) =>
    void onLoad({ filter: /./, namespace }, ({ path }) => ({ contents: text(path), loader: 'js' })),
});

/** The compiled zstd as text, because the program is read without node_modules. */
const zstdInside = {
  name: 'zstd-inside',
  setup: ({ onLoad, initialOptions }) =>
    void onLoad({ filter: /zstd-bytes\.ts$/, namespace: 'file' }, async ({ path }) => {
      if (relative(initialOptions.absWorkingDir, path) !== ZSTD_BYTES) return undefined;
      const bytes = await readFile(
        resolve(initialOptions.absWorkingDir, 'node_modules/@foxglove/wasm-zstd/dist/wasm-zstd.wasm'),
      );
      const text = brotliCompressSync(bytes).toString('base64');
      const contents = `const{brotliDecompressSync}=require('node:zlib');
export const zstdBytes=()=>brotliDecompressSync(Buffer.from('${text}','base64'));`;
      return { contents, loader: 'js' };
    }),
};

const libraryAt = (file) => Object.keys(LIBRARIES).find((library) => LIBRARIES[library] === file);

const toLibrary = stubs('library', (library) => `module.exports=pyflowFromBundle(${JSON.stringify(library)})`);

/**
 * Without the loader of proto files: only services for the insight into a gRPC server load it, and pyflow has none. Only the parts
 * of winston that a log over one stream needs: its index imports colors, and transports over files and HTTP with
 * half of Node's modules. Its debug output is for its authors.
 */
const slimLibraries = {
  name: 'slim-libraries',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^winston$/ }, ({ resolveDir }) => ({
      path: 'winston',
      namespace: 'slim',
      pluginData: resolveDir,
    }));
    onResolve({ filter: /^@dabh\/diagnostics$/ }, () => ({ path: 'diagnostics', namespace: 'slim' }));
    onLoad({ filter: /^winston$/, namespace: 'slim' }, ({ pluginData }) => ({
      contents: `exports.createLogger=require('winston/lib/winston/create-logger');
exports.format={printf:require('logform/printf')};
exports.transports={Stream:require('winston/lib/winston/transports/stream')};`,
      resolveDir: pluginData,
    }));
    // Only `levels` is used: it passes the colors of the levels on, and returns them.
    onResolve({ filter: /^logform$/ }, () => ({ path: 'logform', namespace: 'slim' }));
    onLoad({ filter: /^logform$/, namespace: 'slim' }, () => ({ contents: 'exports.levels=config=>config' }));
    onLoad({ filter: /^diagnostics$/, namespace: 'slim' }, () => ({ contents: 'module.exports=()=>()=>{}' }));
    onResolve({ filter: /^@grpc\/proto-loader$/ }, () => ({ path: 'proto-loader', namespace: 'slim' }));
    onLoad({ filter: /^proto-loader$/, namespace: 'slim' }, () => ({ contents: '' }));
    // The library for CycloneDX also writes XML, if this is installed.
    onResolve({ filter: /^xmlbuilder2$/ }, () => ({ path: 'xmlbuilder2', namespace: 'slim' }));
    onLoad({ filter: /^xmlbuilder2$/, namespace: 'slim' }, () => ({ contents: '' }));
  },
};

function textAndMap({ outputFiles, metafile }) {
  const [map] = outputFiles.filter(({ path }) => path.endsWith('.map'));
  const [code] = outputFiles.filter(({ path }) => path.endsWith('.cjs'));
  if (NOT_ASCII.test(code.text)) throw new Error('a bundle is read as Latin-1, so it must be ASCII: see escaped');
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  if (imports.some(({ kind }) => kind === 'dynamic-import'))
    throw new Error('in a script that comes from compiled code, Node 20 knows no import()');
  return { text: code.text, map: map.text };
}
