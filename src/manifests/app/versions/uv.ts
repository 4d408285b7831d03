// Reads a `uv.lock` for the choice of a Python: follows the dependencies from the installed project, with their markers.

import { fieldsOf, stringsOf, type Fields } from '../fields.js';
import { markerHolds, type Answer, type MarkerEnvironment } from '../markers.js';
import { normalizeName } from '../requirements.js';
import { readToml } from '../toml-file.js';
import { fileName } from '../uv-lock.js';
import type { LockedFiles, VersionLock } from './lock.js';

interface Edge {
  /** The name of its targets, with version and source if the lockfile has several. */
  readonly to: string;
  /** The same with the extras. */
  readonly asked: string;
  readonly marker: string;
  readonly extras: readonly string[];
}

interface Entry extends LockedFiles {
  readonly keys: ReadonlySet<string>;
  readonly needs: readonly Edge[];
  readonly extras: Readonly<Record<string, readonly Edge[]>>;
  readonly groups: Readonly<Record<string, readonly Edge[]>>;
  /** Where a package of the app is, relative to the lockfile. */
  readonly at?: string;
}

/** `project`: the folder of the installed project, relative to the lockfile; `.` is the lockfile's own. */
export function uvVersionLock(
  bytes: Uint8Array,
  file: string,
  { project, groups }: { readonly project: string; readonly groups: readonly string[] },
): VersionLock | undefined {
  const lock = readToml(bytes);
  const list = lock.ok ? (lock.value['package'] ?? []) : undefined;
  if (!lock.ok || !Array.isArray(list)) return undefined;
  const entries = list.map((entry) => entryOf(fieldsOf(entry)));
  const requires = lock.value['requires-python'];
  const start = entries.filter(({ at }) => at === project);
  // A workspace without a project of its own installs all its members.
  const roots = start.length > 0 ? start : entries.filter(({ at }) => at !== undefined);
  const graph = new Graph(entries, roots, groups.map(normalizeName));
  return {
    file,
    constraints: typeof requires === 'string' ? [{ file, text: requires }] : [],
    environments: stringsOf(lock.value['supported-markers']),
    namesFiles: true,
    size: entries.length,
    packagesFor: (environment) => graph.reach(environment),
  };
}

function entryOf(entry: Fields): Entry {
  const { name, version } = entry;
  const source = fieldsOf(entry['source']);
  const at = [source['editable'], source['virtual'], source['directory']].find((place) => typeof place === 'string');
  const wheels = listOf(entry['wheels']).flatMap((wheel) => fileName(wheel) ?? []);
  const { url } = source;
  // A direct URL of a wheel is its only file.
  const direct = typeof url === 'string' && wheels.length === 0 ? fileName({ url }) : undefined;
  const named = normalizeName(typeof name === 'string' ? name : '');
  const keys = [undefined, version].flatMap((one) => [undefined, source].map((place) => keyOf(named, one, place)));
  return {
    name: named,
    keys: new Set(keys),
    version: typeof version === 'string' ? version : '',
    wheels: direct?.endsWith('.whl') === true ? [direct] : wheels,
    hasSdist: entry['sdist'] !== undefined,
    needs: edgesOf(entry['dependencies']),
    extras: edgesByName(entry['optional-dependencies']),
    groups: edgesByName(entry['dev-dependencies']),
    ...(typeof at === 'string' && { at: at.replace(/^\.\/|(?<=.)\/$/g, '') }),
  };
}

/** Two indexes can have the same version of a package with different files. */
function keyOf(name: string, version: unknown, source: unknown): string {
  const place = Object.values(fieldsOf(source)).find((value) => typeof value === 'string');
  return [name, typeof version === 'string' ? version : '', typeof place === 'string' ? place : ''].join(' ');
}

const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

const edgesOf = (value: unknown): readonly Edge[] =>
  listOf(value).map(({ name, version, source, marker, extra }) => {
    const named = normalizeName(typeof name === 'string' ? name : '');
    const to = keyOf(named, version, source);
    const extras = stringsOf(extra).map(normalizeName);
    const asked = extras.length === 0 ? to : `${to} [${extras.join(',')}]`;
    return { to, asked, marker: typeof marker === 'string' ? marker : '', extras };
  });

const edgesByName = (value: unknown): Entry['extras'] =>
  Object.fromEntries(Object.entries(fieldsOf(value)).map(([name, edges]) => [normalizeName(name), edgesOf(edges)]));

class Graph {
  /** By name, and by all that a dependency may tell of its targets. */
  readonly #byKey = new Map<string, Entry[]>();

  constructor(
    entries: readonly Entry[],
    private readonly roots: readonly Entry[],
    private readonly groups: readonly string[],
  ) {
    for (const entry of entries) {
      for (const key of entry.keys) {
        const known = this.#byKey.get(key);
        if (known === undefined) this.#byKey.set(key, [entry]);
        else known.push(entry);
      }
    }
  }

  reach(environment: MarkerEnvironment): readonly LockedFiles[] {
    const answers = new Map<string, Answer>();
    const holds = (marker: string): boolean => {
      if (!answers.has(marker)) answers.set(marker, markerHolds(marker, environment));
      return answers.get(marker) === true;
    };
    const found = new Set<Entry>(this.roots);
    /** Lists of dependencies that are still to be followed. */
    const pending = this.roots.flatMap((root) => [
      root.needs,
      ...this.groups.flatMap((group) => (Object.hasOwn(root.groups, group) ? [root.groups[group]!] : [])),
    ]);
    // Many dependencies have the same targets, which is decided only once.
    const seen = new Set<string>();
    for (let edges = pending.pop(); edges !== undefined; edges = pending.pop()) {
      for (const { to, asked, marker, extras } of edges) {
        if (seen.has(asked) || !holds(marker)) continue;
        seen.add(asked);
        for (const entry of this.#byKey.get(to) ?? []) {
          if (!found.has(entry)) pending.push(entry.needs);
          found.add(entry);
          for (const extra of extras) if (Object.hasOwn(entry.extras, extra)) pending.push(entry.extras[extra]!);
        }
      }
    }
    return [...found].filter(({ wheels, hasSdist }) => wheels.length > 0 || hasSdist);
  }
}
