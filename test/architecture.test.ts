import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { shippedKinds } from '../src/plugins/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Source {
  /** Relative to the root of the project, with slashes. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}
interface Import {
  /** A path from the root of the project, or a bare specifier. */
  readonly target: string;
  readonly isRelative: boolean;
  /** The text between `import` and `from`; empty for `import()`. */
  readonly names: string;
}

/** The first rule with a matching prefix applies; `*` stands for the plugin's own folder. */
const MAY_IMPORT: readonly (readonly [string, readonly string[]])[] = [
  ['src/composition.ts', ['src/']],
  ['src/plugin-host/', ['src/plugin-host/', 'src/engine/', 'src/manifests/']],
  ['src/pyflow-node/', ['src/pyflow-node/', 'src/composition.ts', 'src/engine/', 'src/manifests/']],
  ['src/manifests/', ['src/manifests/']],
  ['src/engine/', ['src/engine/', 'src/manifests/']],
  ['src/plugins/index.ts', ['src/plugins/', 'src/engine/sdk.ts', 'src/manifests/']],
  ['src/plugins/validators.generated', ['src/plugins/']],
  ['src/plugins/', ['*', 'src/plugins/shared/', 'src/engine/sdk.ts', 'src/manifests/app/', 'src/manifests/catalogue/']],
  // The adapter checks the stack before anything of the app runs, with the same message as the pipeline later.
  [
    'src/cli/buildpack/compile.ts',
    ['src/cli/', 'src/engine/', 'src/manifests/', 'src/plugins/shared/archives/stack-check.ts'],
  ],
  ['src/cli', ['src/cli/', 'src/composition.ts', 'src/engine/', 'src/manifests/', 'src/plugins/index.ts']],
];

/** Districts of the engine, bottom to top: files import those of their own district and of districts below it. */
const DISTRICTS = [
  'files',
  'secrets',
  'trees',
  'store',
  'process',
  'services',
  'packages',
  'outside',
  'app',
  'remote',
  'plan',
  'run',
  'up-to-date',
  'node',
  'worker',
  'slug',
  'report',
  'inspect',
  'render',
];

/** Districts that import fewer of those below them. */
const IMPORTS_ONLY: Readonly<Record<string, readonly string[]>> = {
  packages: ['files', 'secrets', 'trees', 'store', 'process', 'services', 'packages'],
  remote: ['files', 'secrets', 'trees', 'store', 'remote'],
};

/** Files at the root of the engine that every district may import: the outside and plugins import them too. */
const FOR_EVERY_DISTRICT = ['composition', 'events', 'failure', 'request', 'sdk'].map(
  (name) => `src/engine/${name}.ts`,
);

/** Subjects of what plugins share, bottom to top, with the same rule. */
const SHARED_SUBJECTS = [
  'manifest',
  'app',
  'python',
  'archives',
  'relocate',
  'logs',
  'install',
  'pip',
  'uv',
  'poetry',
  'app-code',
].map((name) => `src/plugins/shared/${name}/`);

/** Libraries with a sharp edge, and the only places that may touch them. */
const SOLE_IMPORTERS: Readonly<Record<string, string>> = {
  '@grpc/grpc-js': 'src/engine/remote/grpc-library.ts',
  undici: 'src/engine/packages/libraries.ts',
  '@peculiar/x509': 'src/engine/packages/libraries.ts',
  '@dagrejs/dagre': 'src/engine/render/graph-layout.ts',
  htmlparser2: 'src/engine/packages/page-html.ts',
  'p-graph': 'src/engine/plan/schedule.ts',
  execa: 'src/engine/process/subprocess.ts',
  'js-yaml': 'src/manifests/pipeline/',
  yaml: 'src/manifests/pipeline/',
  '@marcbachmann/cel-js': 'src/manifests/pipeline/',
  ajv: 'src/manifests/pipeline/',
  winston: 'src/engine/render/',
  'tar-stream': 'src/engine/services/',
  '@foxglove/wasm-zstd': 'src/engine/slug/zstd-library.ts',
  fflate: 'src/engine/slug/compressor.ts',
};

/** Files of the engine that know the folders of a node and also use the file system directly, with the reason. */
const SEE_FOLDERS_OF_NODES: Readonly<Record<string, string>> = {
  'src/engine/up-to-date/fast-path.ts': 'appDir is the folder of the source',
  'src/engine/files/own-folders.ts': 'appDir is the folder of the source',
  'src/engine/node/work.ts': 'makes the folders of a node, before anything runs in them',
  'src/engine/run/run-record.ts': 'appDir is the folder of the source',
  'src/engine/process/sandbox/probe.ts': 'makes the folders of the trial',
  'src/engine/services/files.ts': 'makes the folder of given files',
  'src/engine/slug/check-outputs.ts': 'appDir is the folder of the source',
  'src/engine/slug/outputs.ts': 'appDir is the folder of the source',
  'src/engine/slug/write.ts': 'appDir is the folder of the source',
  'src/engine/up-to-date/unchanged.ts': 'appDir is the folder of the source',
  'src/engine/verify.ts': 'makes the private cache of the rebuild',
  'src/engine/worker/worker.ts': 'makes room for the view before anything runs there',
};

const sources = readSources();

describe('architecture', () => {
  it('reads the sources it judges', () => {
    expect(sources.length).to.be.greaterThan(50);
    expect(sources.find(({ path }) => path === 'src/plugins/hook/plugin.ts')?.imports).to.deep.include({
      target: 'src/engine/sdk.ts',
      isRelative: true,
      names: sources
        .find(({ path }) => path === 'src/plugins/hook/plugin.ts')
        ?.imports.find(({ target }) => target === 'src/engine/sdk.ts')?.names,
    });
  });

  it('lets imports point in one direction: manifests, engine, plugins, composition', () => {
    const wrong = eachImport(({ path }, { target, isRelative }) => {
      if (!isRelative) return false;
      const allowed = MAY_IMPORT.find(([prefix]) => path.startsWith(prefix))?.[1] ?? [];
      const own = path.split('/').slice(0, 3).join('/') + '/';
      return !allowed.some((prefix) => target.startsWith(prefix === '*' ? own : prefix));
    });
    expect(wrong).to.deep.equal([]);
  });

  it('has a district for each file of the engine, except for what the outside imports', () => {
    const atRoot = sources.map(({ path }) => path).filter((path) => /^src\/engine\/[^/]+$/.test(path));
    const own = ['pipeline', 'plan-report', 'verify'].map((name) => `src/engine/${name}.ts`);
    expect(atRoot).to.deep.equal([...FOR_EVERY_DISTRICT, ...own].sort());
    const folders = readdirSync(join(root, 'src/engine'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(folders.map(({ name }) => name).sort()).to.deep.equal([...DISTRICTS].sort());
  });

  it('has the table of districts in ARCHITECTURE.md', () => {
    const [table = ''] =
      /^\| District \|[^]*?\n(?=\n)/m.exec(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')) ?? [];
    expect([...table.matchAll(/^\| `([a-z-]+)\/` \|/gm)].map(([, name]) => name)).to.deep.equal(DISTRICTS);
  });

  it('lets a district of the engine import itself and districts below it', () => {
    const wrong = eachImport(({ path }, { target, isRelative }) => {
      const from = districtOf(path);
      if (!isRelative || from < 0 || !target.startsWith('src/engine/')) return false;
      const to = districtOf(target);
      return to < 0 ? !FOR_EVERY_DISTRICT.includes(target) : to > from;
    });
    expect(wrong).to.deep.equal([]);
  });

  it('keeps some districts to a few of those below them', () => {
    const wrong = eachImport(({ path }, { target, isRelative }) => {
      const allowed = IMPORTS_ONLY[DISTRICTS[districtOf(path)] ?? ''];
      const to = districtOf(target);
      return allowed !== undefined && isRelative && to >= 0 && !allowed.includes(DISTRICTS[to] ?? '');
    });
    expect(wrong).to.deep.equal([]);
  });

  it('groups what plugins share by subject, and lets a subject import itself and subjects below it', () => {
    const subjectOf = (path: string): number => SHARED_SUBJECTS.findIndex((prefix) => path.startsWith(prefix));
    const shared = sources.map(({ path }) => path).filter((path) => path.startsWith('src/plugins/shared/'));
    expect(shared.filter((path) => subjectOf(path) < 0)).to.deep.equal([]);
    const wrong = eachImport(({ path }, { target }) => {
      const from = subjectOf(path);
      return from >= 0 && subjectOf(target) > from;
    });
    expect(wrong).to.deep.equal([]);
  });

  it('has no import cycles, type imports included', () => {
    expect(circles()).to.deep.equal([]);
  });

  it('has one importer for each library with a sharp edge', () => {
    const wrong = eachImport(({ path }, { target }) => {
      const name = Object.keys(SOLE_IMPORTERS).find(
        (library) => target === library || target.startsWith(`${library}/`),
      );
      return name !== undefined && !path.startsWith(SOLE_IMPORTERS[name] ?? '');
    });
    expect(wrong).to.deep.equal([]);
  });

  it('uses the container only in composition.ts', () => {
    const wrong = eachImport(
      ({ path }, { target, names }) =>
        target === 'inversify' && /\bContainer(Module)?\b/.test(names) && path !== 'src/composition.ts',
    );
    expect(wrong).to.deep.equal([]);
  });

  it('lets plugins import only decorators and the type of a token from inversify', () => {
    const wrong = eachImport(
      ({ path }, { target, names }) =>
        path.startsWith('src/plugins/') &&
        target === 'inversify' &&
        names
          .replace(/[{}\s]/g, '')
          .split(',')
          .some((name) => !['', 'inject', 'injectable', 'ServiceIdentifier', 'typeServiceIdentifier'].includes(name)),
    );
    expect(wrong).to.deep.equal([]);
  });

  it('lets plugins reach files only through their service', () => {
    const found = eachImport(
      ({ path }, { target }) => path.startsWith('src/plugins/') && /^(node:)?(fs|fs\/promises)$/.test(target),
    );
    expect(found).to.deep.equal([]);
    const hidden = thoseWith(/\bprocess\.(binding|getBuiltinModule)\b|\bcreateRequire\b/);
    expect(hidden.filter((path) => path.startsWith('src/plugins/'))).to.deep.equal([]);
  });

  it('opens files below the folders of a node only through files/folder.ts', () => {
    const ofNode = /\b(appDir|scratchDir|givenDir|toolDir|folders\.(app|scratch|cache|given|tool))\b/;
    const found = sources.filter(
      ({ path, code, imports }) =>
        path.startsWith('src/engine/') &&
        ofNode.test(code) &&
        imports.some(({ target }) => target.startsWith('node:fs')),
    );
    expect(found.map(({ path }) => path)).to.deep.equal(Object.keys(SEE_FOLDERS_OF_NODES).sort());
  });

  it('never writes to the console', () => {
    expect(thoseWith(/\bconsole\./)).to.deep.equal([]);
  });

  it('reads arguments, environment and streams only in the programs: the command line, the plugin host and the worker', () => {
    const allowed = (path: string): boolean => /^src\/(cli\.ts|cli\/|plugin-host\/|pyflow-node\/)/.test(path);
    const found = thoseWith(/(?<![.#\w])process\.(env|argv|stdin|stdout|stderr|exit|exitCode|cwd)\b/);
    expect(found.filter((path) => !allowed(path))).to.deep.equal([]);
  });

  it('names no kind of plugin in the engine', () => {
    const kinds = [...shippedKinds.keys()];
    expect(kinds).to.include('fetch-runtime');
    const quoted = new RegExp(`(['"\`])(${kinds.join('|')})\\1`);
    expect(thoseWith(quoted).filter((path) => path.startsWith('src/engine/'))).to.deep.equal([]);
  });

  it('branches on the code of a failure through its helpers only, and never on its words', () => {
    const literal = String.raw`'[a-z0-9-]+(?:::[a-z0-9-]+)+'`;
    const compared = new RegExp(
      [
        String.raw`[!=]==\s*${literal}`,
        String.raw`\bcase ${literal}`,
        String.raw`\bfailure\??\.code\s*[!=]==`,
        String.raw`[!=]==\s*failure\??\.code`,
        String.raw`\.(?:has|includes)\(\w*\.?failure\.code\)`,
        String.raw`\bfailure\.code\.`,
        String.raw`\.(?:title|detail)\s*[!=]==(?! '')`,
        String.raw`\.(?:title|detail)\.(?:includes|match|startsWith|endsWith)\(`,
      ].join('|'),
    );
    // A kind may know its own failures again, where it defines them.
    const isHelper = (path: string): boolean =>
      path === 'src/engine/failure.ts' || /^src\/plugins\/[^/]+\/failures\.ts$/.test(path);
    expect(thoseWith(compared).filter((path) => !isHelper(path))).to.deep.equal([]);
  });

  it('has no function of more than 60 lines and none with more than five parameters', function () {
    this.timeout(30_000);
    expect(tooLarge(root)).to.deep.equal([]);
  });

  it('holds every folder of the source to these limits', () => {
    const folders = [...new Set(sources.map(({ path }) => dirname(path)))];
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-lint-'));
    try {
      copyFileSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
      for (const path of folders) {
        mkdirSync(join(folder, path), { recursive: true });
        writeFileSync(join(folder, path, 'sample.ts'), SAMPLE);
      }
      expect(tooLarge(folder)).to.deep.equal(
        folders.flatMap((path) => [`${path}/sample.ts: lines61`, `${path}/sample.ts: parameters6`]).sort(),
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }).timeout(30_000);

  it('exports by name only', () => {
    expect(thoseWith(/^export default\b/m)).to.deep.equal([]);
  });

  it('opens each source file with a comment that says what it owns', () => {
    const silent = sources
      .map(({ path }) => path)
      .filter(
        (path) => !path.includes('.generated.') && !readFileSync(join(root, path), 'utf8').match(/^(#!.*\n)?\/\//),
      );
    expect(silent).to.deep.equal([]);
  });

  it('has a folder for every shipped kind, with its manifest and class', () => {
    const folders = readdirSync(join(root, 'src/plugins'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'shared')
      .map(({ name }) => name);
    expect(folders.sort()).to.deep.equal([...shippedKinds.keys()].sort());
    for (const kind of folders) {
      const files = readdirSync(join(root, 'src/plugins', kind));
      expect(files, kind).to.include.members(['manifest.ts', 'plugin.ts']);
      const className = kind.replace(/(^|-)(.)/g, (_, __, letter: string) => letter.toUpperCase());
      expect(readFileSync(join(root, 'src/plugins', kind, 'plugin.ts'), 'utf8'), kind).to.include(
        `class ${className} `,
      );
    }
  });
});

/** A function at each limit, and one above. */
const SAMPLE = [60, 61]
  .map((lines) => `export function lines${lines}(): void {\n${'  work();\n'.repeat(lines - 2)}}\n`)
  .concat(
    [5, 6].map((count) => {
      const names = Array.from({ length: count }, (_, index) => `p${index}`);
      return `export function parameters${count}(${names.join(', ')}) {\n  return [${names.join(', ')}];\n}\n`;
    }),
  )
  .join('');

/** `FILE: FUNCTION` for each function that the lint rules of a folder find too large. */
function tooLarge(folder: string): readonly string[] {
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
  const { stdout, status } = spawnSync(process.execPath, [oxlint, '--format=unix', 'src'], { cwd: folder });
  expect(status, 'status of oxlint').to.be.oneOf([0, 1]);
  return [...stdout.toString().matchAll(/^(\S+):\d+:\d+: (.*) has too many (?:lines|parameters)/gm)]
    .map(([, path = '', what = '']) => `${path}: ${/[`'](.*)[`']/.exec(what)?.[1] ?? what}`)
    .sort();
}

function eachImport(isWrong: (source: Source, found: Import) => boolean): readonly string[] {
  return sources.flatMap((source) =>
    source.imports.filter((found) => isWrong(source, found)).map(({ target }) => `${source.path} -> ${target}`),
  );
}

/** Position of a file's district in the table; -1 if it has none. */
const districtOf = (path: string): number => DISTRICTS.indexOf(/^src\/engine\/([^/]+)\//.exec(path)?.[1] ?? '');

/** Groups of files that import each other, directly or not (Tarjan's strongly connected components). */
function circles(): readonly (readonly string[])[] {
  const imports = new Map(
    sources.map((source) => [
      source.path,
      source.imports.flatMap(({ target, isRelative }) => (isRelative ? [target] : [])),
    ]),
  );
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    lowest.set(path, order.get(path)!);
    stack.push(path);
    for (const target of imports.get(path) ?? []) {
      if (!order.has(target)) visit(target);
      else if (!stack.includes(target)) continue;
      lowest.set(path, Math.min(lowest.get(path)!, lowest.get(target)!));
    }
    if (lowest.get(path) !== order.get(path)) return;
    const group = stack.splice(stack.indexOf(path));
    if (group.length > 1) found.push(group.sort());
  };
  for (const path of imports.keys()) if (!order.has(path)) visit(path);
  return found;
}

function thoseWith(pattern: RegExp): readonly string[] {
  return sources.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
}

function readSources(): readonly Source[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => join('src', path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .sort()
    .map((path) => {
      const code = withoutComments(readFileSync(join(root, path), 'utf8'));
      return { path, code, imports: importsOf(path, code) };
    });
}

/** Whole-line and trailing comments; a `//` inside a string has no space before it. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf(path: string, code: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: string, names: string): void => {
    const isRelative = specifier.startsWith('.');
    const target = isRelative
      ? relative(root, join(root, dirname(path), specifier))
          .replaceAll('\\', '/')
          .replace(/\.js$/, '.ts')
      : specifier;
    found.push({ target, isRelative, names });
  };
  for (const [, names = '', specifier = ''] of code.matchAll(
    /^(?:import|export)\s+(?:type\s+)?([^;'"]*?)\s*from\s+['"]([^'"]+)['"]/gm,
  )) {
    add(specifier, names);
  }
  for (const [, specifier = ''] of code.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) add(specifier, '');
  for (const [, specifier = ''] of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) add(specifier, '');
  return found;
}
