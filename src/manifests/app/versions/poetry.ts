// Reads a `poetry.lock` for the choice of a Python. Locks of format 2.1 have a marker for each package; in older ones the
// dependencies are followed from the project.

import { fieldsOf, stringsOf, type Fields } from '../fields.js';
import { markerHolds, type Answer, type MarkerEnvironment } from '../markers.js';
import { normalizeName } from '../requirements.js';
import { readToml } from '../toml-file.js';
import type { LockedFiles, VersionLock } from './lock.js';

interface Entry extends LockedFiles {
  readonly isOptional: boolean;
  /** Of format 1: `dev`. */
  readonly category: string;
  /** Undefined before format 2.1. */
  readonly groups: readonly string[] | undefined;
  readonly markers: string | Fields;
  readonly needs: readonly { readonly name: string; readonly marker: string }[];
}

/** `project`: the pyproject.toml. `groups`: installed besides the main group. */
export function poetryVersionLock(
  bytes: Uint8Array,
  file: string,
  { project, groups }: { readonly project: Fields; readonly groups: readonly string[] },
): VersionLock | undefined {
  const lock = readToml(bytes);
  if (!lock.ok) return undefined;
  const list = lock.value['package'];
  const entries = (Array.isArray(list) ? list : []).map((entry) => entryOf(fieldsOf(entry), lock.value));
  const python = fieldsOf(lock.value['metadata'])['python-versions'];
  const asked = new Set(groups.map(normalizeName));
  const hasGroups = entries.some((entry) => entry.groups !== undefined);
  return {
    file,
    constraints: typeof python === 'string' && python !== '*' ? [{ file, text: python }] : [],
    environments: [],
    namesFiles: true,
    size: entries.length,
    packagesFor: (environment) =>
      (hasGroups
        ? ofGroups(entries, asked, environment)
        : followed(entries, rootsOf(project, asked), environment)
      ).filter(({ wheels, hasSdist }) => wheels.length > 0 || hasSdist),
  };
}

function entryOf(entry: Fields, lock: Fields): Entry {
  const name = textOf(entry['name']);
  // Format 1 lists the files of all packages in one table.
  const files = entry['files'] ?? fieldsOf(fieldsOf(lock['metadata'])['files'])[name];
  const names = (Array.isArray(files) ? files : []).map((one) => textOf(fieldsOf(one)['file']));
  const wheels = names.filter((one) => one.endsWith('.whl'));
  const isLocal = ['directory', 'git'].includes(textOf(fieldsOf(entry['source'])['type']));
  const { groups, markers } = entry;
  const python = textOf(entry['python-versions']);
  return {
    name: normalizeName(name),
    version: textOf(entry['version']),
    wheels: isLocal ? [] : wheels,
    hasSdist: !isLocal && names.length > wheels.length,
    ...(python !== '' && python !== '*' && { python }),
    isOptional: entry['optional'] === true,
    category: textOf(entry['category']),
    groups: groups === undefined ? undefined : stringsOf(groups).map(normalizeName),
    markers: typeof markers === 'string' ? markers : fieldsOf(markers),
    needs: Object.entries(fieldsOf(entry['dependencies']))
      .flatMap(([needed, wanted]) =>
        (Array.isArray(wanted) ? wanted : [wanted]).map((one: unknown) => ({
          name: normalizeName(needed),
          marker: textOf(fieldsOf(one)['markers']),
          isOptional: fieldsOf(one)['optional'] === true,
        })),
      )
      .filter(({ isOptional }) => !isOptional),
  };
}

function ofGroups(
  entries: readonly Entry[],
  asked: ReadonlySet<string>,
  environment: MarkerEnvironment,
): readonly Entry[] {
  const holds = rememberingAnswers(environment);
  return entries.filter(({ groups = [], isOptional, markers }) =>
    groups
      .filter((group) => (group === 'main' && !isOptional) || asked.has(group))
      .some((group) => holds(typeof markers === 'string' ? markers : textOf(markers[group]))),
  );
}

/** Undefined if the project doesn't name its dependencies, so that all packages count. */
function rootsOf(project: Fields, asked: ReadonlySet<string>): readonly string[] | undefined {
  const poetry = fieldsOf(fieldsOf(project['tool'])['poetry']);
  const ofProject = stringsOf(fieldsOf(project['project'])['dependencies']).map(
    (text) => /^\s*([A-Za-z0-9][\w.-]*)/.exec(text)?.[1] ?? '',
  );
  const ofGroups = Object.entries(fieldsOf(poetry['group'])).flatMap(([name, group]) =>
    asked.has(normalizeName(name)) ? Object.keys(fieldsOf(fieldsOf(group)['dependencies'])) : [],
  );
  const main = Object.entries(fieldsOf(poetry['dependencies'])).flatMap(([name, wanted]) =>
    fieldsOf(wanted)['optional'] === true ? [] : [name],
  );
  const names = [...ofProject, ...main, ...ofGroups].map(normalizeName);
  return names.length === 0 ? undefined : names;
}

function followed(
  entries: readonly Entry[],
  roots: readonly string[] | undefined,
  environment: MarkerEnvironment,
): readonly Entry[] {
  const holds = rememberingAnswers(environment);
  const wanted = entries.filter(({ category, isOptional }) => category !== 'dev' && !isOptional);
  if (roots === undefined) return wanted;
  const byName = new Map<string, Entry[]>();
  for (const entry of wanted) {
    const known = byName.get(entry.name);
    if (known === undefined) byName.set(entry.name, [entry]);
    else known.push(entry);
  }
  const found = new Set<Entry>();
  const names = [...roots];
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    const entries = byName.get(name) ?? [];
    byName.delete(name);
    for (const entry of entries) {
      found.add(entry);
      for (const { name: needed, marker } of entry.needs) if (holds(marker)) names.push(needed);
    }
  }
  return [...found];
}

function rememberingAnswers(environment: MarkerEnvironment): (marker: string) => boolean {
  const answers = new Map<string, Answer>();
  return (marker) => {
    if (!answers.has(marker)) answers.set(marker, markerHolds(marker, environment));
    return answers.get(marker) === true;
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
