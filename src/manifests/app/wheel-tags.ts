// Decides by its file name whether a wheel runs on a machine, with two answers to doubt. `wheelFits` then says no: every installer
// accepts the wheels that it calls fitting. `acceptsWheel` then says yes: no installer accepts a wheel that it calls unfit.

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

/** What the file name of a wheel promises. */
export interface WheelTags {
  readonly pythons: readonly PythonTag[];
  readonly abis: readonly string[];
  readonly platforms: readonly string[];
}

interface PythonTag {
  /** Of other interpreters it is empty. */
  readonly implementation: 'cp' | 'py' | '';
  /** The minor version of Python 3; undefined in `py3`. */
  readonly minor: number | undefined;
}

function pythonTag(tag: string): PythonTag {
  const [, implementation = '', digits = ''] = /^(py|cp)3(\d*)$/.exec(tag) ?? [];
  return {
    implementation: implementation as PythonTag['implementation'],
    minor: digits === '' ? undefined : Number(digits),
  };
}

/** Undefined for other names. */
export function wheelTags(file: string): WheelTags | undefined {
  const parts = file.length > LONGEST_NAME ? undefined : file.split('-');
  if (parts === undefined || (parts.length !== 5 && parts.length !== 6) || !file.endsWith('.whl')) return undefined;
  const [pythons = '', abis = '', platforms = ''] = parts.slice(-3);
  const split = (tags: string): readonly string[] => tags.split('.', MOST_TAGS);
  return {
    pythons: split(pythons).map(pythonTag),
    abis: split(abis),
    platforms: split(platforms.slice(0, -'.whl'.length)),
  };
}
const LONGEST_NAME = 500;
/** Of each kind; real wheels have a few. */
const MOST_TAGS = 20;

/** The machine that installs wheels. */
export interface WheelMachine {
  /** In Node's spelling. */
  readonly os: string;
  /** As in wheel tags: `x86_64`, `aarch64`. */
  readonly machine: string;
  /** The C library with its X.Y; undefined if it is unknown. */
  readonly libc?: { readonly name: 'glibc' | 'musl'; readonly version: string };
}

/** Whether an installer may accept the wheel for the CPython `minor`, X.Y. Builds without the GIL don't count. */
export const acceptsWheel = (tags: WheelTags, minor: string, machine: WheelMachine): boolean =>
  acceptsPython(tags, minor) && acceptsPlatform(tags, machine);

export function acceptsPython({ pythons, abis }: WheelTags, minor: string): boolean {
  const own = Number(minor.split('.')[1]);
  return abis.some((abi) => pythons.some((python) => acceptsTag(python, abi, own)));
}

function acceptsTag({ implementation, minor }: PythonTag, abi: string, own: number): boolean {
  if (abi === 'none' && implementation === 'py') return minor === undefined || minor <= own;
  if (implementation !== 'cp' || minor === undefined) return false;
  if (abi === 'abi3') return minor <= own;
  return minor === own && (abi === 'none' || abi === `cp3${minor}`);
}

export const acceptsPlatform = ({ platforms }: WheelTags, machine: WheelMachine): boolean =>
  platforms.some((tag) => tag === 'any' || acceptsSystem(tag, machine));

function acceptsSystem(tag: string, { os, machine, libc }: WheelMachine): boolean {
  if (os === 'darwin') {
    const architecture = machine === 'aarch64' ? 'arm64' : machine;
    return (
      tag.startsWith('macosx_') && (tag.endsWith(`_${architecture}`) || /_(?:universal2?|intel|fat\w*)$/.test(tag))
    );
  }
  if (os !== 'linux' || !tag.endsWith(machine) || tag.at(-machine.length - 1) !== '_') return false;
  const name = tag.slice(0, -machine.length - 1);
  if (name === 'linux') return true;
  const musl = /^musllinux_(\d+)_(\d+)$/.exec(name);
  const needed = musl === null ? (LEGACY[name] ?? /^manylinux_(\d+_\d+)$/.exec(name)?.[1]) : `${musl[1]}.${musl[2]}`;
  if (needed === undefined) return false;
  if (libc === undefined) return true;
  return libc.name === (musl === null ? 'glibc' : 'musl') && isAtLeast(libc.version, needed.replace('_', '.'));
}
