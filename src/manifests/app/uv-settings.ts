// What a project's own files tell uv beside the lockfile: whether there are settings, where workspace members lie, and
// whether metadata has to be computed by a build. Unaware of lockfiles.

import { parse as parseToml } from 'smol-toml';
import { excerpt, parsed, wrong, type Parsed } from './parsed.js';
import { normalizeName } from './requirements.js';
import { visible } from './text-file.js';

export interface UvProjectFile {
  /** There is a `[tool.uv]`, so uv looks for settings no further. */
  readonly hasSettings: boolean;
  /** Wheels may not be used for some package, so they are built. */
  readonly refusesWheels: boolean;
  /** Present where this file is the top of a workspace. */
  readonly workspace?: UvWorkspace;
  /** Groups that uv installs unless told otherwise, of those that the project has; normalised and sorted. */
  readonly defaultGroups: readonly string[];
  /** uv can read name and dependencies here; otherwise it has to run the build backend, which may read any file. */
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

/** Of a `pyproject.toml`. */
export function parseUvProject(bytes: Uint8Array): Parsed<UvProjectFile, UvSettingsProblem> {
  const file = readToml(bytes);
  if (!file.ok) return file;
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

/** Of a `uv.toml`. */
export function parseUvToml(bytes: Uint8Array): Parsed<{ readonly refusesWheels: boolean }, UvSettingsProblem> {
  const file = readToml(bytes);
  return file.ok ? parsed({ refusesWheels: refusesWheels(file.value) }) : file;
}

const refusesWheels = (settings: Fields): boolean =>
  settings['no-binary'] === true || stringsOf(settings['no-binary-package']).length > 0;

function readToml(bytes: Uint8Array): Parsed<Fields, UvSettingsProblem> {
  try {
    return parsed(parseToml(new TextDecoder().decode(bytes)));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return wrong({ type: 'invalid-toml', message: visible(excerpt(message, 200)) });
  }
}

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});
const stringsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
