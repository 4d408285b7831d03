// Loads the bundles of the packaged program: `start` at once, `run` when a command needs something heavy, `draw` to draw a
// graph, and large libraries when something imports them. Beside each bundle is the code that V8 compiled from it at build time.

import type { Script } from 'node:vm';
import type * as StartModule from './start.js';

/** File names beside cli.js. They contain the digest of their content, so files of two builds never mix. */
export interface BundleNames {
  readonly start: string;
  readonly run: string;
  /** One module each: `draw`, and the libraries that scripts/bundles.mjs lists. */
  readonly [apart: string]: string;
}

/** The arguments of a bundle, in the order that scripts/build.mjs writes. `builtin` is `require` for Node's own modules. */
type BundleFunction = (
  module: { exports: unknown },
  builtin: (name: string) => unknown,
  fromStart: (path: string) => unknown,
  fromRun: (path: string) => unknown,
  fromBundle: FromBundle,
) => void;
/** The exports of a bundle that has one module to offer. */
type FromBundle = (name: string) => unknown;
type Modules = Readonly<Record<string, () => unknown>>;
type Start = typeof StartModule & { readonly shared: Modules };

export interface Bundles {
  readonly start: Start;
  readonly fromBundle: FromBundle;
  /** The bundles compiled so far. The build saves their code. */
  readonly scripts: ReadonlyMap<string, Script>;
}

/** `debug` compiles from the text, so that Node uses the source maps. */
export function loadBundles(folder: string, names: BundleNames, debug: boolean): Bundles {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const vm = process.getBuiltinModule('node:vm');
  const scripts = new Map<string, Script>();

  const codeOf = (file: string): Buffer | undefined => {
    try {
      return readFileSync(`${file}.cache`);
    } catch {
      return undefined;
    }
  };

  const load = <T>(name: string): T => {
    const file = `${folder}/${name}`;
    const module = { exports: {} };
    let run: BundleFunction;
    if (debug) {
      process.setSourceMapsEnabled(true);
      const { createRequire } = process.getBuiltinModule('node:module');
      run = createRequire(file)(file) as BundleFunction;
    } else {
      const cachedData = codeOf(file);
      // V8 rejects code that another version made or that is truncated, and compiles the text.
      const script = new vm.Script(readFileSync(file, 'latin1'), {
        filename: file,
        ...(cachedData === undefined ? {} : { cachedData }),
      });
      scripts.set(name, script);
      run = script.runInThisContext() as BundleFunction;
    }
    run(module, process.getBuiltinModule as (name: string) => unknown, fromStart, fromRun, fromBundle);
    return module.exports as T;
  };

  let run: Modules | undefined;
  const fromRun = (path: string): unknown => (run ??= load<Modules>(names.run))[path]!();
  const whole = new Map<string, unknown>();
  const fromBundle = (name: string): unknown => {
    if (!whole.has(name)) whole.set(name, load(names[name]!));
    return whole.get(name);
  };
  const fromStart = (path: string): unknown => start.shared[path]!();
  const start: Start = load<Start>(names.start);
  return { start, fromBundle, scripts };
}
