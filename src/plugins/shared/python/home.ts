// The paths in the Python of a slug.

import { fail, succeed, type Folder, type Result, type ViewReader } from '../../../engine/sdk.js';
import { noPython } from './failures.js';

/** The path of the app at run time. */
export const PUBLIC_APP_DIR = '/app';

/** App-relative. */
export const pythonHome = (vendorDir: string): string => `${vendorDir}/python`;
export const publicPrefix = (vendorDir: string): string => `${PUBLIC_APP_DIR}/${pythonHome(vendorDir)}`;

/** The Python of a slug, with app-relative paths. */
export interface SlugPython {
  /** `VENDOR/python` */
  readonly home: string;
  /** X.Y */
  readonly minor: string;
  readonly sitePackages: string;
}

/** The Python below the vendor folder. Fails if there is none. */
export const findPython = (app: Folder, vendorDir: string): Result<SlugPython> =>
  pythonAt(pythonHome(vendorDir), (folder) => app.names(folder));

/** The same for the Python in a node's view, without reading the disk. */
export const findPythonInView = (view: ViewReader, vendorDir: string): Result<SlugPython> =>
  pythonAt(pythonHome(vendorDir), (folder) => view.list(folder));

/** A Python has the folder of its standard library, whose name tells the version. */
function pythonAt(home: string, namesIn: (folder: string) => readonly string[]): Result<SlugPython> {
  const minor = namesIn(`${home}/lib`)
    .map((name) => /^python(\d+\.\d+)$/.exec(name)?.[1])
    .find((found) => found !== undefined);
  if (minor === undefined) return fail(noPython(home));
  return succeed({ home, minor, sitePackages: `${home}/lib/python${minor}/site-packages` });
}
