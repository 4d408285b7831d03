// Decides by its file name whether a wheel runs on a machine. When in doubt, it says no: every installer accepts the wheels
// that it calls fitting.

export interface WheelTarget {
  /** X.Y */
  readonly minor: string;
  /** As in wheel tags: `x86_64`, `aarch64`. */
  readonly machine: string;
  /** X.Y of the machine's glibc; absent with another C library. */
  readonly glibc?: string;
}

export function wheelFits(file: string, target: WheelTarget): boolean {
  const parts = /^[^-]+-[^-]+(?:-\d[^-]*)?-([^-]+)-([^-]+)-([^-]+)\.whl$/.exec(file);
  if (parts === null) return false;
  const [, pythons = '', abis = '', platforms = ''] = parts;
  const anyOf = (tags: string, fits: (tag: string) => boolean): boolean => tags.split('.').some(fits);
  return (
    anyOf(platforms, (tag) => platformFits(tag, target)) &&
    anyOf(abis, (abi) => anyOf(pythons, (python) => pythonFits(python, abi, target.minor)))
  );
}

function pythonFits(python: string, abi: string, minor: string): boolean {
  const own = minor.replace('.', '');
  if (abi === 'none') return python === 'py3' || python === `cp${own}` || python === `py${own}`;
  if (abi === `cp${own}`) return python === `cp${own}`;
  const since = /^cp3(\d+)$/.exec(python)?.[1];
  return abi === 'abi3' && since !== undefined && Number(since) <= Number(minor.split('.')[1]);
}

/** Older names of manylinux_2_X. */
const LEGACY: Readonly<Record<string, string>> = { manylinux1: '2.5', manylinux2010: '2.12', manylinux2014: '2.17' };

function platformFits(tag: string, { machine, glibc }: WheelTarget): boolean {
  if (tag === 'any') return true;
  if (glibc === undefined || !tag.endsWith(`_${machine}`)) return false;
  const name = tag.slice(0, -machine.length - 1);
  const needed = LEGACY[name] ?? /^manylinux_(\d+_\d+)$/.exec(name)?.[1]?.replace('_', '.');
  return needed !== undefined && isAtLeast(glibc, needed);
}

function isAtLeast(version: string, needed: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [neededMajor = 0, neededMinor = 0] = needed.split('.').map(Number);
  return major === neededMajor && minor >= neededMinor;
}
