// bin/release: what the platform should add to the app, as YAML. No process types are ever given: the Procfile is the app's.

import { lstatSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { exportFile } from './export-file.js';
import type { Places } from './places.js';
import { NO_STATUS } from '../exit-status.js';
import type { World } from '../world.js';

const DATABASE = '---\naddons:\n  - scalingo-postgresql\n';

export function release(buildDir: string, places: Places, world: World): number {
  const appDir = resolve(world.cwd, buildDir);
  // The folder of the buildpack may be one that no build can write to.
  if (!exists(exportFile(places)) && !exists(join(appDir, places.vendorDir, 'python'))) {
    world.stderr.write('bin/release comes after bin/compile, which has not built this app.\n');
    return NO_STATUS;
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

/** By its name alone; nothing of the app is run for this. */
const isImportable = (folder: string, name: string): boolean =>
  exists(join(folder, name)) || exists(join(folder, `${name}.py`));

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
