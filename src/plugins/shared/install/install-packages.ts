// An install from start to end: finds the Python, takes a snapshot, runs the tool, and normalizes the result into a layer.

import type { Result, RunContext, RunPromise, Services } from '../../../engine/sdk.js';
import { takeSnapshot, type Snapshot } from '../app/changes.js';
import { findPython, type SlugPython } from '../python/home.js';
import { finishInstall, type FinishedInstall, type InstalledOutputs } from './finish.js';
import { LocalProjects } from './local-projects.js';

export type { InstalledOutputs } from './finish.js';

interface PackageInstall {
  readonly vendorDir: string;
  /** Folders of the app that a build may write into, app-relative. */
  readonly builtIn: readonly string[];
  /**
   * Digests in the key pin every source archive that can be built, and nothing else can change the result but the builder and
   * what every user of the key asks for, such as the newest version of a build tool.
   */
  readonly sharesBuilds: boolean;
  /** Whether the tool installs what is in its cache without comparing it with a digest. */
  readonly trustsCache: boolean;
}

/** The result of the tool. */
export type InstallResult = Result<Pick<FinishedInstall, 'builtFromSource'>>;

/** Runs the tool. `before`: snapshot of the Python before it. */
type InstallWork = (python: SlugPython, before: Snapshot) => Promise<InstallResult>;

export async function installPackages(
  services: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  { vendorDir, builtIn, sharesBuilds, trustsCache }: PackageInstall,
  work: InstallWork,
): RunPromise<InstalledOutputs> {
  const { app } = services.files.of(context);
  const python = findPython(app, vendorDir);
  if (!python.ok) return python;
  const before = await takeSnapshot(app, python.value.home, context.signal);
  const projects = await LocalProjects.look(app, builtIn, python.value.home);
  const done = await work(python.value, before);
  if (!done.ok) return done;
  const generated = await projects.clean();
  return finishInstall(services, context, python.value, {
    before,
    generated,
    sharesBuilds,
    trustsCache,
    ...done.value,
  });
}
