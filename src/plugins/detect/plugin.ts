// Decides by the names in the root whether the app is written in Python. Misspelled and left-over names pass on purpose: later nodes
// say what exactly is wrong with a project.

import { injectable } from 'inversify';
import { fail, succeed } from '../../engine/sdk.js';
import type { FromSchema, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { PROJECT_FILES, PROJECT_FOLDERS } from '../../manifests/app/project-markers.js';
import { foldersUp } from '../shared/app/project-folder.js';
import { describeFolder, describeRoot, isDirectory } from '../shared/app/root-listing.js';
import { inRoot, viewOfRoot } from '../shared/app/root.js';
import { notAPythonApp, rootNotAFolder, rootNotFound } from './failures.js';
import { manifest, type config, type inputs, type outputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Outputs = FromSchema<typeof outputs>;

/** Above a root with code, these files belong to its project. */
const MANAGER_FILES = ['Pipfile.lock', 'poetry.lock', 'pylock.toml', 'requirements.txt', 'uv.lock'];

@injectable()
export class Detect implements Plugin<Node['config'], Node['inputs'], Outputs, Outputs> {
  readonly manifest = manifest;

  async reads({ config: { root } }: Node, app: ViewReader): ReadsPromise<Outputs> {
    const kind = root === '.' ? 'directory' : app.kindOf(root);
    if (kind === undefined) return fail(rootNotFound(root, nearestFolder(app, root)));
    if (kind !== 'directory') return fail(rootNotAFolder(root, kind));

    const view = viewOfRoot(app, root);
    const markers = PROJECT_FILES.filter((name) => view.exists(name));
    for (const name of PROJECT_FOLDERS) if (await isDirectory(view, name)) markers.push(`${name}/`);
    const hasCode = markers.length === 0 && view.list('').some((name) => name.endsWith('.py'));
    for (const name of hasCode ? MANAGER_FILES : []) {
      const folder = foldersUp(root).find((above) => app.exists(inRoot(above, name)));
      if (folder !== undefined) markers.push(inRoot(folder, name));
    }
    if (markers.length === 0) return fail(notAPythonApp(root, describeRoot(app, root)));
    return succeed({ facts: { markers: markers.sort() } });
  }

  async run(_node: unknown, { facts }: RunContext<Outputs>): RunPromise<Outputs> {
    return succeed({ outputs: facts });
  }
}

/** Lists the nearest existing folder above a missing one. */
function nearestFolder(view: ViewReader, root: string): string {
  const parts = root.split('/');
  while (parts.length > 0 && view.kindOf(parts.join('/')) !== 'directory') parts.pop();
  return parts.length === 0 ? describeRoot(view, '.') : describeFolder(view, parts.join('/'));
}
