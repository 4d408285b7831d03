// Puts the files of SQLite's packages beside the Python of the slug, in a form that works in any folder.

import type { Folder } from '../../engine/sdk.js';

/** The files of a package that are kept, and their place below the Python's folder. */
const PLACES: readonly { readonly pattern: RegExp; readonly to: (name: string) => string; readonly mode: number }[] = [
  { pattern: /^usr\/lib\/[^/]+\/(libsqlite3\.so[.\d]*)$/, to: (name) => `lib/${name}`, mode: 0o644 },
  { pattern: /^usr\/include\/(sqlite3(?:ext)?\.h)$/, to: (name) => `include/${name}`, mode: 0o644 },
  { pattern: /^usr\/lib\/[^/]+\/pkgconfig\/(sqlite3\.pc)$/, to: (name) => `lib/pkgconfig/${name}`, mode: 0o644 },
  { pattern: /^usr\/bin\/(sqlite3)$/, to: (name) => `libexec/sqlite3/${name}`, mode: 0o755 },
  // Only the command needs it, so it is beside the command, where no other program of the slug finds it.
  { pattern: /^(?:usr\/)?lib\/[^/]+\/(libreadline\.so[.\d]+)$/, to: (name) => `libexec/sqlite3/${name}`, mode: 0o644 },
  { pattern: /^usr\/share\/doc\/([^/]+\/copyright)$/, to: (name) => `share/doc/${name}`, mode: 0o644 },
];

export const COMMAND = 'bin/sqlite3';
const PKGCONFIG = 'lib/pkgconfig/sqlite3.pc';
const HEADER = 'include/sqlite3.h';
/** Without these nothing compiles and nothing runs. */
const NEEDED = ['lib/libsqlite3.so', 'lib/libsqlite3.so.0', HEADER, PKGCONFIG, 'libexec/sqlite3/sqlite3'];

/**
 * The command looks for libraries in the folders of the distribution. This launcher starts it with those of the slug, in any
 * folder.
 */
const LAUNCHER = `#!/bin/sh
here="$(dirname "$(realpath "$0")")/.."
export LD_LIBRARY_PATH="$here/libexec/sqlite3:$here/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/libexec/sqlite3/sqlite3" "$@"
`;

/** Whether a file of a package is kept. */
export const isKept = (path: string): boolean => PLACES.some(({ pattern }) => pattern.test(path));

/** Copies from the folders of unpacked packages to the Python's folder. If a file is missing, returns a sentence that names it. */
export async function placeFiles(
  { scratch, app }: { readonly scratch: Folder; readonly app: Folder },
  unpacked: readonly string[],
  home: string,
): Promise<string | undefined> {
  const placed = new Set<string>();
  for (const folder of unpacked) {
    for (const { path, kind } of await scratch.walk(folder)) {
      const place = PLACES.find(({ pattern }) => pattern.test(path));
      const name = place?.pattern.exec(path)?.[1];
      if (place === undefined || name === undefined) continue;
      const to = place.to(name);
      const target = kind === 'symlink' ? scratch.readLink(`${folder}/${path}`) : undefined;
      if (target?.includes('/') === true) continue;
      // A runtime may already have the file, for example from a platform that used to ship it.
      if (target !== undefined) app.symlink(target, `${home}/${to}`);
      else scratch.withFile(`${folder}/${path}`, (file) => app.copyFrom(file, `${home}/${to}`, place.mode));
      placed.add(to);
    }
  }
  const missing = NEEDED.filter((path) => !placed.has(path));
  if (missing.length > 0) return `The packages do not contain ${missing.join(', ')}.`;
  app.write(`${home}/${PKGCONFIG}`, movable(app.readText(`${home}/${PKGCONFIG}`) ?? ''));
  app.write(`${home}/${COMMAND}`, LAUNCHER, 0o755);
  return undefined;
}

/** Paths relative to the file itself, which pkg-config calls `pcfiledir`. */
function movable(text: string): string {
  const paths: Readonly<Record<string, string>> = {
    prefix: '${pcfiledir}/../..',
    exec_prefix: '${prefix}',
    libdir: '${prefix}/lib',
    includedir: '${prefix}/include',
  };
  return text.replace(/^(\w+)=.*$/gm, (line, name: string) =>
    Object.hasOwn(paths, name) ? `${name}=${paths[name]}` : line,
  );
}

/** The version in the header, X.Y.Z; undefined when it has none. */
export const headerVersion = (app: Folder, home: string): string | undefined =>
  /^#define SQLITE_VERSION\s+"([\d.]+)"/m.exec(app.readText(`${home}/${HEADER}`) ?? '')?.[1];
