// Checks the folder that a command starts in.

import { pathBeneath, type Failure, type Folder, type ViewReader } from '../../engine/sdk.js';
import { wrongCwd } from './failures.js';

/** What is wrong with `cwd` in the node's folder; undefined when nothing is. */
export function whyNoCwd(app: Folder, cwd: string): Failure | undefined {
  const path = pathBeneath('', cwd);
  if (path === undefined) return wrongCwd(cwd, 'missing');
  const found = path === '' ? '' : app.resolve(path);
  if (found !== undefined) {
    const kind = found === '' ? 'directory' : app.kindOf(found);
    return kind === 'directory' ? undefined : wrongCwd(cwd, 'file');
  }
  return wrongCwd(cwd, leadsThroughLink(app, path) ? 'link' : 'missing');
}

/** Asked before files are selected, because the selection would refuse the link for another reason. */
export function isLostLink(view: ViewReader, cwd: string): boolean {
  const path = pathBeneath('', cwd);
  if (path === undefined || path === '' || view.exists(path)) return false;
  const parts = path.split('/');
  return parts.some((_, index) => view.kindOf(parts.slice(0, index + 1).join('/')) === 'symlink');
}

function leadsThroughLink(app: Folder, path: string): boolean {
  for (let slash = path.indexOf('/'); ; slash = path.indexOf('/', slash + 1)) {
    const kind = app.kindOf(slash < 0 ? path : path.slice(0, slash));
    if (kind === 'symlink') return true;
    if (kind === undefined || slash < 0) return false;
  }
}
