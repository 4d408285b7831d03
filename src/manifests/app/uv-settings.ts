// Reads what a project tells uv besides the lockfile: settings, workspace members, default groups, and whether uv has to run
// a build to get the metadata.

import { fieldsOf, stringsOf, type Fields } from './fields.js';
import { parsed, wrong, type Parsed } from './parsed.js';
import { normalizeName } from './requirements.js';
import { readToml } from './toml-file.js';

export interface UvProjectFile {
  /** There is a `[tool.uv]`, so uv looks no further for settings. */
  readonly hasSettings: boolean;
  /** The settings forbid wheels for some packages, so uv builds those. */
  readonly refusesWheels: boolean;
  /** Present when this file is the root of a workspace. */
  readonly workspace?: UvWorkspace;
  /** Groups of the project that uv installs by default; normalized and sorted. */
  readonly defaultGroups: readonly string[];
  /** uv can read name and dependencies here. Otherwise it has to run the build backend, which may read any file. */
  readonly isStatic: boolean;
}

/** Patterns of folders, as written. */
export interface UvWorkspace {
  readonly members: readonly string[];
  readonly exclude: readonly string[];
}

interface UvSettingsProblem {
  readonly type: 'invalid-toml';
  readonly message: string;
}

/** Parses a `pyproject.toml`. */
export function parseUvProject(bytes: Uint8Array): Parsed<UvProjectFile, UvSettingsProblem> {
  const file = readToml(bytes);
  if (!file.ok) return wrong({ type: 'invalid-toml', message: file.failure });
  const { project, tool } = file.value;
  const uv = fieldsOf(tool)['uv'];
  const dynamic = fieldsOf(project)['dynamic'];
  const workspace = fieldsOf(uv)['workspace'] === undefined ? undefined : fieldsOf(fieldsOf(uv)['workspace']);
  const isComputed =
    Array.isArray(dynamic) && dynamic.some((field) => field === 'dependencies' || field === 'optional-dependencies');
  return parsed({
    hasSettings: uv !== undefined,
    refusesWheels: refusesWheels(fieldsOf(uv)),
    ...(workspace !== undefined && {
      workspace: { members: stringsOf(workspace['members']), exclude: stringsOf(workspace['exclude']) },
    }),
    defaultGroups: defaultGroups(file.value['dependency-groups'], fieldsOf(uv)),
    isStatic: project !== undefined && !isComputed,
  });
}

function defaultGroups(groups: unknown, uv: Fields): readonly string[] {
  const legacy = stringsOf(uv['dev-dependencies']).length > 0 ? ['dev'] : [];
  const named = Object.entries(fieldsOf(groups)).flatMap(([name, entries]) =>
    Array.isArray(entries) && entries.length > 0 ? [normalizeName(name)] : [],
  );
  const wanted = uv['default-groups'] ?? ['dev'];
  const isDefault = (name: string): boolean =>
    wanted === 'all' || stringsOf(wanted).some((group) => normalizeName(group) === name);
  return [...new Set([...legacy, ...named])].filter(isDefault).sort();
}

/** Parses a `uv.toml`. */
export function parseUvToml(bytes: Uint8Array): Parsed<{ readonly refusesWheels: boolean }, UvSettingsProblem> {
  const file = readToml(bytes);
  if (!file.ok) return wrong({ type: 'invalid-toml', message: file.failure });
  return parsed({ refusesWheels: refusesWheels(file.value) });
}

const refusesWheels = (settings: Fields): boolean =>
  settings['no-binary'] === true || stringsOf(settings['no-binary-package']).length > 0;
