// Where things lie in a Python of the slug. Unaware of how they got there.

/** Where the app lives at run time. */
export const PUBLIC_APP_DIR = '/app';

/** App-relative. */
export const pythonHome = (vendorDir: string): string => `${vendorDir}/python`;
export const publicPrefix = (vendorDir: string): string => `${PUBLIC_APP_DIR}/${pythonHome(vendorDir)}`;

/** The schema of every `vendorDir`: a plain relative path, since it becomes part of launchers and patterns. */
export const vendorDirSchema = {
  type: 'string',
  pattern: '^(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+)*$',
  default: '.scalingo',
  description: 'Folder of the slug that holds the runtime and the packages, relative to the app.',
} as const;
