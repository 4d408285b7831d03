// Finds out from file names whether Python can import a module, by the rules of Python's finders. That way, nothing has to run
// for the many apps that don't have it.

import { posix } from 'node:path';
import type { ViewReader } from '../../../engine/sdk.js';
import { inRoot } from '../app/root.js';
import { findPythonInView, PUBLIC_APP_DIR } from '../python/home.js';

interface Place {
  readonly vendorDir: string;
  /** The folder in which programs of the app start. Python searches it first. */
  readonly root: string;
}

/** `name`: a top-level module, which is installed, editable (by a .pth file or a finder), or in the root. */
export async function isModuleAvailable(view: ViewReader, { vendorDir, root }: Place, name: string): Promise<boolean> {
  const python = findPythonInView(view, vendorDir);
  if (!python.ok) return false;
  if (hasModule(view, inRoot(root, ''), name)) return true;

  const site = python.value.sitePackages;
  const names = view.list(site);
  if (names.includes(name) || hasModule(view, site, name)) return true;
  for (const file of names) {
    if (/^__editable___.*_finder\.py$/.test(file)) {
      if (mapsModule(await textOf(view, `${site}/${file}`), name)) return true;
    } else if (file.endsWith('.pth')) {
      const folders = foldersOf(await textOf(view, `${site}/${file}`), site);
      if (folders.some((folder) => hasModule(view, folder, name))) return true;
    }
  }
  return false;
}

function hasModule(view: ViewReader, folder: string, name: string): boolean {
  const path = folder === '' ? name : `${folder}/${name}`;
  return view.exists(`${path}/__init__.py`) || view.exists(`${path}.py`);
}

const textOf = async (view: ViewReader, path: string): Promise<string> =>
  (view.exists(path) ? await view.read(path) : undefined)?.toString('utf8') ?? '';

/** Folders of the app that a .pth file adds. Lines that begin with `import` are code. */
function foldersOf(text: string, site: string): readonly string[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const path = line.trimEnd();
    if (path === '' || path.startsWith('#') || /^import[ \t]/.test(path)) return [];
    if (path === PUBLIC_APP_DIR) return [''];
    if (path.startsWith('/'))
      return path.startsWith(`${PUBLIC_APP_DIR}/`) ? [path.slice(PUBLIC_APP_DIR.length + 1)] : [];
    const joined = posix.join(site, path).replace(/\/$/, '');
    if (joined.startsWith('..')) return [];
    return [joined === '.' ? '' : joined];
  });
}

/** A finder of setuptools contains a literal `MAPPING: dict[str, str] = {'name': '/path', ...}`. */
function mapsModule(finder: string, name: string): boolean {
  const mapping = /^MAPPING\b[^=\n]*=[ \t]*(\{.*\})/m.exec(finder)?.[1] ?? '';
  return mapping.includes(`'${name}':`) || mapping.includes(`"${name}":`);
}
