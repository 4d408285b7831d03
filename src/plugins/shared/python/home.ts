// Where things lie in a Python of the slug. Unaware of how they got there.

import type { Folder, ViewReader } from '../../../engine/sdk.js';

/** Where the app lives at run time. */
export const PUBLIC_APP_DIR = '/app';

/** App-relative. */
export const pythonHome = (vendorDir: string): string => `${vendorDir}/python`;
export const publicPrefix = (vendorDir: string): string => `${PUBLIC_APP_DIR}/${pythonHome(vendorDir)}`;

/** X.Y of the Python at `home` (`VENDOR/python`), by its standard library; undefined when there is none. */
export const minorOfPython = (app: Folder, home: string): string | undefined => minorAmong(app.names(`${home}/lib`));

/** The same of the Python that a node sees, without reading the disk. `home`: app-relative. */
export const minorInView = (view: ViewReader, home: string): string | undefined => minorAmong(view.list(`${home}/lib`));

const minorAmong = (names: readonly string[]): string | undefined =>
  names.map((name) => /^python(\d+\.\d+)$/.exec(name)?.[1]).find((minor) => minor !== undefined);
