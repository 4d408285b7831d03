// The last steps of every install: normalize the written files, compile them, list the packages, and search for private paths
// that are left.

import { fail, succeed, type RunContext, type RunPromise, type Services } from '../../../engine/sdk.js';
import { takeSnapshot, type Snapshot } from '../app/changes.js';
import { privatePathLeft, pythonChanged } from '../logs/install-failures.js';
import { compileBytecode } from '../python/bytecode.js';
import type { SlugPython } from '../python/home.js';
import { privateAppPaths, privatePaths } from '../relocate/private-needles.js';
import { filesMentionPrivatePath } from '../relocate/private-path.js';
import { searchFiles } from '../relocate/search-bytes.js';
import { installedPackages } from './installed-packages.js';
import { holdsLocalBuild } from './local-wheels.js';
import { normalizePackages } from './package-layer.js';

export interface InstalledOutputs {
  /** Normalized name -> version. */
  readonly packages: Readonly<Record<string, string>>;
}

export interface FinishedInstall {
  /** Snapshot of the Python's folder before the tool ran. */
  readonly before: Snapshot;
  /** Whether the tool built a package. Then its build tools may have recorded the build folder. */
  readonly builtFromSource: boolean;
  /** App-relative files that builds wrote next to the sources of the app. */
  readonly generated: readonly string[];
  /** Whether other apps may get what was built. */
  readonly sharesBuilds: boolean;
  /** Whether the tool installs what is in its cache without comparing it with a digest. */
  readonly trustsCache: boolean;
}

export async function finishInstall(
  services: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  python: SlugPython,
  { before, builtFromSource, generated, sharesBuilds, trustsCache }: FinishedInstall,
): RunPromise<InstalledOutputs> {
  const { home, minor, sitePackages } = python;
  const { app, cache } = services.files.of(context);
  const layer = await normalizePackages(context, app, python, before);
  const compiled = await compileBytecode(services, context, {
    python: `${context.paths.app}/${home}/bin/python`,
    files: layer.files.filter((file) => file.endsWith('.py')).map((file) => `${home}/${file}`),
  });
  if (!compiled.ok) {
    if (context.signal.aborted) return compiled;
    const changed = changedPython(before, await takeSnapshot(app, home, context.signal), minor);
    return fail(changed.length === 0 ? compiled.failure : pythonChanged(home, changed, compiled.failure));
  }
  const outputs = { packages: installedPackages(app, sitePackages) };
  const isBuilt = builtFromSource || (await holdsLocalBuild(cache, outputs.packages));
  const needles = isBuilt ? privateAppPaths(context) : privatePaths(context);
  const found = await searchFiles(app, home, layer.files, needles);
  const [first] = found;
  if (first === undefined) {
    const uncacheable = await filesMentionPrivatePath(context, app, generated);
    // An earlier run of the app may have left anything in the folder that is kept.
    const mayHoldOthers = trustsCache && context.keptCache === 'used';
    const isOfApp = isBuilt ? !sharesBuilds || context.keptCache !== 'new' : mayHoldOthers;
    return succeed({
      outputs,
      ...(uncacheable && { uncacheable }),
      ...(isBuilt && { usedBuilder: true as const }),
      ...(isOfApp && { scope: 'app' as const }),
    });
  }
  if (!isBuilt) return fail(privatePathLeft(found));
  return succeed({
    outputs,
    uncacheable: `${home}/${first.path} was built here and contains the path of a private build folder`,
  });
}

/** Changed files that belong to no package: the interpreter, its libraries and its standard library. */
function changedPython(before: Snapshot, after: Snapshot, minor: string): readonly string[] {
  const isPython = (path: string): boolean =>
    /^(?:bin\/python[^/]*$|lib\/)/.test(path) && !path.startsWith(`lib/python${minor}/site-packages/`);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => isPython(path) && before.get(path) !== after.get(path))
    .sort();
}
