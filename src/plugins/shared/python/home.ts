// The paths in the Python of a slug.

import { fail, succeed, type Folder, type Result, type ViewReader } from '../../../engine/sdk.js';
import { noPython } from './failures.js';

/** The path of the app at run time. */
export const PUBLIC_APP_DIR = '/app';

/** App-relative. */
export const pythonHome = (vendorDir: string): string => `${vendorDir}/python`;
export const publicPrefix = (vendorDir: string): string => `${PUBLIC_APP_DIR}/${pythonHome(vendorDir)}`;

/** X.Y of the Python at `home` (`VENDOR/python`), by its standard library. Undefined if there is none. */
export const minorOfPython = (app: Folder, home: string): string | undefined => minorAmong(app.names(`${home}/lib`));

/** The same for the Python in a node's view, without reading the disk. `home`: app-relative. */
export const minorInView = (view: ViewReader, home: string): string | undefined => minorAmong(view.list(`${home}/lib`));

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
  pythonOf(pythonHome(vendorDir), minorOfPython(app, pythonHome(vendorDir)));

/** The same for the Python in a node's view, without reading the disk. */
export const findPythonInView = (view: ViewReader, vendorDir: string): Result<SlugPython> =>
  pythonOf(pythonHome(vendorDir), minorInView(view, pythonHome(vendorDir)));

const pythonOf = (home: string, minor: string | undefined): Result<SlugPython> =>
  minor === undefined
    ? fail(noPython(home))
    : succeed({ home, minor, sitePackages: `${home}/lib/python${minor}/site-packages` });

const minorAmong = (names: readonly string[]): string | undefined =>
  names.map((name) => /^python(\d+\.\d+)$/.exec(name)?.[1]).find((minor) => minor !== undefined);
