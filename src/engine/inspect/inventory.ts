// Makes the inventory of a slug: its Python, its packages with their files, licences and dependencies, and the app's own files.
// Reads the folder and the record of the run that wrote it, and runs nothing.

import { askedPackages, ASKING_FILES } from '../../manifests/app/asked.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import type { RunReport } from '../events.js';
import { fail, FailureError, succeed, type Failure, type Result } from '../failure.js';
import { sha256Hex } from '../files/digest.js';
import { Folder } from '../files/folder.js';
import { resolveDependencies, type Need } from './dependencies.js';
import { findDistributions, quietly, type DirectUrl, type Distribution, type PythonPlace } from './distributions.js';
import { noSlugAt, notASlug, noPythonIn } from './failures.js';
import { contentOf, ownFiles, type Mismatch, type Owned } from './owned-files.js';
import { findPythonPlace, isAppOnPath, machineOf, pythonVersion } from './slug-python.js';
import { readSlugFiles, type SlugFiles } from './slug-files.js';
import { runOf, systemPackagesOf, type RunFacts, type SystemPackage } from './run-facts.js';

/** The number is raised when fields are renamed or removed. */
export const INVENTORY_SCHEMA = 'pyflow.inventory/1';

export interface Amount {
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 of the lines `HEX  PATH`, one for each file, sorted by path: the output of sha256sum. */
  readonly content: string;
}

export interface InventoryPackage extends Amount {
  /** As the package spells it. */
  readonly name: string;
  /** Normalized. */
  readonly key: string;
  readonly version: string;
  /** Of its metadata, relative to the slug. */
  readonly path: string;
  /** An SPDX expression, the text of the field License, or the classifiers, in this order. */
  readonly license: { readonly expression?: string; readonly text?: string; readonly classifiers: readonly string[] };
  readonly installer?: string;
  /** Whether the app's files name it; absent where they don't tell. */
  readonly asked?: boolean;
  readonly directUrl?: DirectUrl;
  /** What it requires here, as far as markers apply. */
  readonly needs: readonly Need[];
  /** Names of packages, from one that the app asked for to the one that needs this package. */
  readonly via: readonly string[];
  readonly mismatches: readonly Mismatch[];
  readonly problems: readonly string[];
}

export interface Inventory {
  readonly schema: typeof INVENTORY_SCHEMA;
  readonly slug: Amount & {
    /** Of the tree of files, as the run recorded it. */
    readonly digest: string;
    /** Paths that changed since the run wrote the slug. */
    readonly altered: readonly string[];
  };
  /** ISO 8601, UTC, for documents: SOURCE_DATE_EPOCH, else the start of the run. Absent if neither is known. */
  readonly time?: string;
  /** Of the run that wrote it, as far as its record is still there. */
  readonly run?: RunFacts;
  readonly python: Amount & {
    readonly version: string;
    readonly path: string;
    readonly machine: string;
  };
  /** Sorted by key. */
  readonly packages: readonly InventoryPackage[];
  /** Packages of the distribution, and libraries that pyflow put beside Python. */
  readonly system: readonly SystemPackage[];
  /** Files beside the packages that belong to none of them. */
  readonly unowned: Amount;
  readonly app: Amount;
}

export interface InventoryRequest {
  /** Absolute. */
  readonly slugDir: string;
  /** Reports of runs, one of which may have written the slug. Oldest first. */
  readonly reports: Iterable<RunReport>;
  /** The variable SOURCE_DATE_EPOCH: seconds since 1970. */
  readonly sourceDateEpoch: string | undefined;
  readonly signal: AbortSignal;
}

export async function takeInventory(request: InventoryRequest): Promise<Result<Inventory, Failure>> {
  const slug = new Folder(request.slugDir, 'the slug');
  if (!slug.exists()) return fail(noSlugAt(request.slugDir));
  try {
    const files = await readSlugFiles(slug, request.signal);
    if (files === undefined) return fail(notASlug(request.slugDir));
    const place = findPythonPlace(files.files.keys());
    return place === undefined ? fail(noPythonIn(request.slugDir)) : succeed(inventoryOf(slug, files, place, request));
  } catch (error) {
    if (error instanceof FailureError) return fail(error.failure);
    throw error;
  }
}

function inventoryOf(slug: Folder, scan: SlugFiles, place: PythonPlace, request: InventoryRequest): Inventory {
  const found = findDistributions(slug, place, isAppOnPath(slug));
  const owned = ownFiles(found, scan.files, place);
  const version = pythonVersion(slug, place);
  const machine = machineOf(slug, place);
  const asked = askedOf(slug, scan.files.keys(), place);
  const run = runOf(request.reports, scan.digest);
  const isTool = run?.tools.map(({ name }) => name) ?? [];
  const named = found.map((one) => ({
    name: keyOf(one),
    version: one.metadata.version ?? '',
    requires: one.metadata.requires,
    isAsked: isTool.includes(keyOf(one)) ? undefined : asked?.has(keyOf(one)),
  }));
  const { needs, via } = resolveDependencies(named, environmentValues(version, place.minor, machine));
  const time = timeOf(request.sourceDateEpoch) ?? run?.startedAt;
  const packages = found.map((one, index) =>
    packageOf(
      one,
      { owned: owned.packages[index] ?? NOTHING, needs: needs[index] ?? [], via: via[index] ?? [] },
      asked,
    ),
  );
  return {
    schema: INVENTORY_SCHEMA,
    slug: { digest: scan.digest, altered: scan.altered, ...amountOf(scan.files, [...scan.files.keys()]) },
    ...(time !== undefined && { time }),
    ...(run !== undefined && { run }),
    python: { version, path: place.home, machine, ...amountOf(scan.files, owned.python) },
    packages: packages.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)),
    system: systemPackagesOf(slug, place, run),
    unowned: amountOf(scan.files, owned.unowned),
    app: amountOf(scan.files, owned.app),
  };
}

const NOTHING: Owned = { files: [], content: sha256Hex(''), mismatches: [] };
const sortKey = ({ key, version, path }: InventoryPackage): string => `${key}\0${version}\0${path}`;

/** Without metadata, the name of the metadata folder is all there is. */
const keyOf = ({ metadata, path }: Distribution): string => normalizeName(metadata.name ?? nameInPath(path));
const nameInPath = (path: string): string =>
  (path.slice(path.lastIndexOf('/') + 1).replace(/\.(?:dist|egg)-info$/i, '') || path).split('-', 1)[0] ?? '';

function packageOf(
  { metadata, path, installer, directUrl, problems }: Distribution,
  { owned, needs, via }: { readonly owned: Owned; readonly needs: readonly Need[]; readonly via: readonly string[] },
  asked: ReadonlySet<string> | undefined,
): InventoryPackage {
  const { licenseExpression, license, licenseClassifiers } = metadata;
  const name = metadata.name ?? nameInPath(path);
  const key = normalizeName(name);
  return {
    name,
    key,
    version: metadata.version ?? '',
    path,
    license: {
      ...(licenseExpression !== undefined && { expression: licenseExpression }),
      ...(license !== undefined && { text: license }),
      classifiers: licenseClassifiers,
    },
    ...(installer !== undefined && { installer }),
    ...(asked !== undefined && { asked: asked.has(key) }),
    ...(directUrl !== undefined && { directUrl }),
    needs,
    via,
    content: owned.content,
    mismatches: owned.mismatches,
    problems,
    files: owned.files.length,
    bytes: owned.files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function amountOf(files: SlugFiles['files'], paths: readonly string[]): Amount {
  return {
    content: contentOf(paths, files),
    files: paths.length,
    bytes: paths.reduce((sum, path) => sum + (files.get(path)?.bytes ?? 0), 0),
  };
}

const timeOf = (epoch: string | undefined): string | undefined =>
  epoch !== undefined && /^\d{1,11}$/.test(epoch) ? new Date(Number(epoch) * 1000).toISOString() : undefined;

const MOST_ASKING = 4 * 1024 * 1024;
/** Folders above the root of the app in a repository with several. */
const DEEPEST_ROOT = 4;

/** What the app's files name. In a repository with several projects, what any of them names. */
function askedOf(slug: Folder, paths: Iterable<string>, { home }: PythonPlace): ReadonlySet<string> | undefined {
  const readIn = (folder: string) => (file: string) => {
    const path = folder === '' ? file : `${folder}/${file}`;
    return quietly(() => (slug.kindOf(path) === 'file' ? slug.read(path, MOST_ASKING) : undefined));
  };
  const inRoot = askedPackages(readIn(''));
  if (inRoot !== undefined) return inRoot;
  const folders = new Set<string>();
  for (const path of paths) {
    const cut = path.lastIndexOf('/');
    const isAsking = (ASKING_FILES as readonly string[]).includes(path.slice(cut + 1));
    if (!isAsking || path.startsWith(`${home}/`) || path.split('/').length > DEEPEST_ROOT) continue;
    folders.add(path.slice(0, cut));
  }
  const all = [...folders].flatMap((folder) => [...(askedPackages(readIn(folder)) ?? [])]);
  return folders.size === 0 ? undefined : new Set(all);
}

const environmentValues = (version: string, minor: string, machine: string): Readonly<Record<string, string>> => ({
  python_version: minor,
  python_full_version: version,
  implementation_version: version,
  implementation_name: 'cpython',
  platform_python_implementation: 'CPython',
  os_name: 'posix',
  sys_platform: 'linux',
  platform_system: 'Linux',
  platform_machine: machine,
});
