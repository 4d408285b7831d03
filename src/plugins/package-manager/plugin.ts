// Finds the app's package manager, and refuses a runtime or a virtual environment in the app. It looks at names only, so changed
// versions do not change its result.

import { injectable } from 'inversify';
import { failKnowing, succeed } from '../../engine/sdk.js';
import type { FromSchema, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { describeFolder, isFile } from '../shared/app/root-listing.js';
import { inRoot } from '../shared/app/root.js';
import { pythonHome } from '../shared/python/home.js';
import { existingPythonDir, existingVenv } from './failures.js';
import { findManager, MANAGERS, PYLOCK } from './find.js';
import { manifest, type config, type inputs, type outputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Outputs = FromSchema<typeof outputs>;

@injectable()
export class PackageManager implements Plugin<Node['config'], Node['inputs'], Outputs, Outputs> {
  readonly manifest = manifest;

  async reads({ config: { root, vendorDir } }: Node, view: ViewReader): ReadsPromise<Outputs> {
    const pythonDir = pythonHome(vendorDir);
    const manager = await findManager(view, root);
    const known = manager.ok ? { ...manager.value } : {};
    if (view.exists(pythonDir)) {
      return failKnowing(existingPythonDir(pythonDir, describeFolder(view, pythonDir)), known);
    }
    if (!manager.ok) return manager;

    for (const directory of [inRoot(root, '.venv'), inRoot(root, 'venv')]) {
      if (await isFile(view, `${directory}/pyvenv.cfg`)) {
        return failKnowing(existingVenv(directory, describeFolder(view, directory)), known);
      }
    }
    const exists = [...MANAGERS, PYLOCK].map(({ lockfile }) => inRoot(root, lockfile));
    return succeed({ exists, facts: manager.value });
  }

  async run(_node: unknown, { facts }: RunContext<Outputs>): RunPromise<Outputs> {
    return succeed({ outputs: facts });
  }
}
