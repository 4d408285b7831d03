// bin/release: prints, as YAML, what the platform should add to the app. It never prints process types, which are in the
// app's Procfile.

import { lstatSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { exportFile } from './export-file.js';
import type { Places } from './places.js';
import { NEGATIVE_ANSWER_STATUS } from '../exit-status.js';
import type { World } from '../world.js';

const DATABASE = '---\naddons:\n  - scalingo-postgresql\n';

export function release(buildDir: string, places: Places, world: World): number {
  const appDir = resolve(world.cwd, buildDir);
  // If the buildpack's folder is not writable, there is no `export`.
  if (!exists(exportFile(places)) && !exists(join(appDir, places.vendorDir, 'python'))) {
    world.stderr.write('bin/compile has not built this app. Run it before bin/release.\n');
    return NEGATIVE_ANSWER_STATUS;
  }
  const project = join(appDir, places.root);
  const folders = [project, ...sitePackages(join(appDir, places.vendorDir, 'python/lib'))];
  const isDjangoWithPostgres =
    lstatSync(join(project, 'manage.py'), { throwIfNoEntry: false })?.isFile() === true &&
    ['django', 'psycopg2'].every((name) => folders.some((folder) => isImportable(folder, name)));
  if (isDjangoWithPostgres) world.stdout.write(DATABASE);
  return 0;
}

function sitePackages(lib: string): readonly string[] {
  try {
    return readdirSync(lib)
      .filter((name) => /^python\d+\.\d+$/.test(name))
      .map((name) => join(lib, name, 'site-packages'));
  } catch {
    return [];
  }
}

/** Only looks for the name, and runs nothing of the app. */
const isImportable = (folder: string, name: string): boolean =>
  exists(join(folder, name)) || exists(join(folder, `${name}.py`));

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
