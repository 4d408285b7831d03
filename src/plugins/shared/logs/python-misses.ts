// Finds in the log of pip (also inside Pipenv) or uv that a package does not support the Python of this build, and which
// versions it needs.

import { meetsSpecifiers, nearestPython, newestVersion } from '../../../manifests/app/package-version.js';

interface PythonMiss {
  /** `django 6.0.3`, or a range of versions. */
  readonly wanted: string;
  readonly name: string;
  /** `>=3.12` */
  readonly needs: string;
}

const IGNORED = /^ERROR: Ignored the following versions that require a different python version: (.*)$/;
const IGNORED_VERSION = /^(\S+) Requires-Python (.+)$/;
const NOT_FOUND =
  /^ERROR: (?:Could not find a version that satisfies the requirement|No matching distribution found for) (.+)$/;
const OTHER_PYTHON = /^ERROR: Package '([^']+)' requires a different Python: \S+ not in '([^']+)'/;
/** Name, extras and version specifiers. */
const REQUIREMENT = /^([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*((?:[=<>!~]=?=?\s*[^\s,;()]+(?:\s*,\s*)?)*)/;
const UV =
  /current Python version \([\d.a-z]+\) does not satisfy Python\S+ and (?:all versions of )?([A-Za-z0-9][\w.-]*?)((?:[=<>!~]=?=?)\S+)? depends? on Python((?:[=<>!~]=?=?)\S+)(?=[,\s])/;

export function pythonMiss(lines: readonly string[]): PythonMiss | undefined {
  return missOfPip(lines.map((line) => line.trim())) ?? missOfUv(lines);
}

function missOfPip(lines: readonly string[]): PythonMiss | undefined {
  let ignored: (readonly [version: string, needs: string])[] = [];
  for (const line of lines) {
    const [, name, needs] = OTHER_PYTHON.exec(line) ?? [];
    if (name !== undefined && needs !== undefined) return { wanted: name, name, needs: tidy(needs) };
    const list = IGNORED.exec(line)?.[1];
    if (list !== undefined) {
      ignored = list.split('; ').flatMap((text) => {
        const [, version, wants] = IGNORED_VERSION.exec(text) ?? [];
        return version === undefined || wants === undefined ? [] : [[version, wants] as const];
      });
    }
    const requirement = NOT_FOUND.exec(line)?.[1];
    const miss = requirement === undefined ? undefined : missOf(requirement, ignored);
    if (miss !== undefined) return miss;
  }
  return undefined;
}

/** The newest version that meets the requirement but does not support this Python. */
function missOf(
  requirement: string,
  ignored: readonly (readonly [version: string, needs: string])[],
): PythonMiss | undefined {
  const [, name, specifiers = ''] = REQUIREMENT.exec(requirement) ?? [];
  if (name === undefined) return undefined;
  const wanted = ignored.filter(([version]) => meetsSpecifiers(version, specifiers));
  const newest = newestVersion(wanted.map(([version]) => version));
  const needs = wanted.find(([version]) => version === newest)?.[1];
  return newest === undefined || needs === undefined
    ? undefined
    : { wanted: `${name} ${newest}`, name, needs: tidy(needs) };
}

function missOfUv(lines: readonly string[]): PythonMiss | undefined {
  const start = lines.findIndex((line) => line.includes('the current Python version ('));
  if (start === -1) return undefined;
  // uv wraps lines between any two words.
  const text = lines
    .slice(start, start + 20)
    .map((line) => line.trim())
    .join(' ');
  const [, name, range, needs] = UV.exec(text) ?? [];
  if (name === undefined || needs === undefined) return undefined;
  const wanted = range === undefined ? name : `${name} ${range.replace(/^==(?!.*[,*])/, '')}`;
  return { wanted, name, needs: tidy(needs.replace(/,$/, '')) };
}

const tidy = (specifiers: string): string => specifiers.replaceAll(/\s*,\s*/g, ',').trim();

/** `minor`: X.Y of the Python of this build. */
export const describeMiss = ({ wanted, needs }: PythonMiss, minor: string): string =>
  `${wanted} needs Python ${needs}, but this build has ${minor}`;

/** `alsoIn`: other places in which the app may set the version of Python. */
export function adviseMiss({ name, needs }: PythonMiss, minor: string, alsoIn = ''): string {
  const python = nearestPython(minor, needs);
  const other = `choose a version of ${name} that supports Python ${minor}`;
  return python === undefined
    ? `${other[0]!.toUpperCase()}${other.slice(1)}.`
    : `Use Python ${python}: write \`${python}\` to .python-version${alsoIn}. Or ${other}.`;
}
