// Finds the Python of a slug and reads its facts from its files.

import type { Folder } from '../files/folder.js';
import { quietly, type PythonPlace } from './distributions.js';

const MOST_HEADER = 64 * 1024;

/** The Python nearest to the root. `paths`: files of the slug, in any order. */
export function findPythonPlace(paths: Iterable<string>): PythonPlace | undefined {
  const homes = new Map<string, { hasProgram: boolean; minor?: string }>();
  for (const path of paths) {
    const program = /^(.+)\/bin\/python3\.\d+$/.exec(path);
    const library = /^(.+?)\/lib\/python(3\.\d+)\/os\.py$/.exec(path);
    const home = program?.[1] ?? library?.[1];
    if (home === undefined) continue;
    const known = homes.get(home) ?? { hasProgram: false };
    homes.set(home, {
      ...known,
      ...(program !== null && { hasProgram: true }),
      ...(library?.[2] !== undefined && { minor: library[2] }),
    });
  }
  const order = (home: string): string => `${String(home.split('/').length).padStart(4, '0')} ${home}`;
  for (const home of [...homes.keys()].sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    const { hasProgram, minor } = homes.get(home) ?? {};
    if (hasProgram === true && minor !== undefined) {
      return { home, minor, sitePackages: `${home}/lib/python${minor}/site-packages` };
    }
  }
  return undefined;
}

/** X.Y.Z from the headers of Python; X.Y if they are missing. */
export function pythonVersion(slug: Folder, { home, minor }: PythonPlace): string {
  const folder = (quietly(() => slug.names(`${home}/include`)) ?? []).find((name) => name.startsWith(`python${minor}`));
  const text = quietly(() => slug.readStart(`${home}/include/${folder}/patchlevel.h`, MOST_HEADER))?.toString('latin1');
  return /^#define\s+PY_VERSION\s+"([\w.+]{1,40})"/m.exec(text ?? '')?.[1] ?? minor;
}

const MACHINES: Readonly<Record<number, string>> = {
  3: 'i686',
  21: 'ppc64le',
  22: 's390x',
  62: 'x86_64',
  183: 'aarch64',
};

/** As `uname -m` names it, from the program of Python. */
export function machineOf(slug: Folder, { home, minor }: PythonPlace): string {
  const start = quietly(() => slug.readStart(`${home}/bin/python${minor}`, 20));
  return (start !== undefined && start.length >= 20 && MACHINES[start.readUInt16LE(18)]) || 'unknown';
}

/** Whether a profile script puts the root of the app on Python's search path. */
export function isAppOnPath(slug: Folder): boolean {
  const text = quietly(() => slug.readStart('.profile.d/python.sh', MOST_HEADER))?.toString('utf8') ?? '';
  return /^export PYTHONPATH=.*\$\{HOME:-\/app\}/m.test(text);
}
