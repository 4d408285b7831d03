// The packages that the files of an app name: those that somebody wrote down, not those that a lockfile adds. Reads whatever files
// of package managers there are; what is unreadable names nothing.

import { parsePackageRequirement } from './core-metadata.js';
import { fieldsOf, stringsOf } from './fields.js';
import { normalizeName } from './requirements.js';
import { parseRequirementsLines } from './requirements-lines.js';
import { readToml } from './toml-file.js';

/** Files that name packages, in the root of a project. */
export const ASKING_FILES = ['pyproject.toml', 'Pipfile', 'requirements.in', 'requirements.txt'] as const;

/**
 * Normalized names. Undefined if no file tells: requirements that a tool compiled name everything. `read` returns undefined for
 * a missing file.
 */
export function askedPackages(
  read: (file: (typeof ASKING_FILES)[number]) => Uint8Array | undefined,
): ReadonlySet<string> | undefined {
  const project = read('pyproject.toml');
  const pipfile = read('Pipfile');
  const [first] = [read('requirements.in'), read('requirements.txt')].filter((bytes) => bytes !== undefined);
  if (project === undefined && pipfile === undefined && first === undefined) return undefined;
  return new Set([
    ...(project === undefined ? [] : namedByProject(project)),
    ...(pipfile === undefined ? [] : namedByPipfile(pipfile)),
    ...(first === undefined ? [] : namedByRequirements(first)),
  ]);
}

function namedByProject(bytes: Uint8Array): readonly string[] {
  const read = readToml(bytes);
  if (!read.ok) return [];
  const project = fieldsOf(read.value['project']);
  const tool = fieldsOf(read.value['tool']);
  const poetry = fieldsOf(tool['poetry']);
  const groups = Object.values(fieldsOf(poetry['group'])).map((group) => fieldsOf(group)['dependencies']);
  const lines = [
    ...stringsOf(project['dependencies']),
    ...Object.values(fieldsOf(project['optional-dependencies'])).flatMap(stringsOf),
    ...Object.values(fieldsOf(read.value['dependency-groups'])).flatMap(stringsOf),
    ...stringsOf(fieldsOf(tool['uv'])['dev-dependencies']),
  ];
  const tables = [poetry['dependencies'], poetry['dev-dependencies'], ...groups];
  const own = [project['name'], poetry['name']].flatMap((name) =>
    typeof name === 'string' ? [normalizeName(name)] : [],
  );
  return [
    ...own,
    ...lines.flatMap(nameIn),
    ...tables.flatMap((table) => Object.keys(fieldsOf(table)).map(normalizeName)),
  ];
}

function namedByPipfile(bytes: Uint8Array): readonly string[] {
  const read = readToml(bytes);
  if (!read.ok) return [];
  // All tables but those with another meaning are categories of packages.
  const categories = Object.entries(read.value).filter(
    ([name]) => !['source', 'requires', 'scripts', 'pipenv'].includes(name),
  );
  return categories.flatMap(([, table]) => Object.keys(fieldsOf(table)).map(normalizeName));
}

const namedByRequirements = (bytes: Uint8Array): readonly string[] =>
  parseRequirementsLines(bytes).flatMap((line) => (line.type === 'requirement' ? nameIn(line.target) : []));

const nameIn = (line: string): readonly string[] => {
  const egg = /[#&]egg=([A-Za-z0-9._-]+)/.exec(line)?.[1];
  if (egg !== undefined) return [normalizeName(egg)];
  const name = parsePackageRequirement(line)?.name;
  return name === undefined ? [] : [name];
};
