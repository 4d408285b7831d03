// Compares two builds of one app.

import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Side, StepRun, Trial } from './sides.js';

export const FILE_CLASSES = ['app', 'profile', 'runtime', 'packages', 'records', 'bytecode', 'other'] as const;
type FileClass = (typeof FILE_CLASSES)[number];

interface FileDifference {
  readonly same: number;
  /** Paths in app coordinates, sorted. */
  readonly different: readonly string[];
  readonly onlyBuildpack: readonly string[];
  readonly onlyPyflow: readonly string[];
}

/** The value on each side; undefined if a side has none. */
export interface Pair<T> {
  readonly buildpack?: T;
  readonly pyflow?: T;
}

export interface Comparison {
  readonly schema: 'pyflow.shadow/1';
  /** Whether statuses, packages and the files of the app are the same. */
  readonly isSame: boolean;
  readonly detect: Pair<number>;
  readonly compiles: readonly Pair<{ readonly status: number; readonly durationMs: number }>[];
  readonly release: Pair<string>;
  readonly files: Readonly<Record<FileClass, FileDifference>>;
  /** Name -> version, if they differ. */
  readonly packages: Readonly<Record<string, Pair<string>>>;
  readonly packagesInCommon: number;
  /** Name -> value, if they differ; undefined if one of the apps would not boot. */
  readonly environment: Readonly<Record<string, Pair<string>>> | undefined;
  readonly steps: Required<Pair<readonly string[]>>;
  /** The last lines of a failed build. */
  readonly failures: Pair<readonly string[]>;
}

/** Buildpacks use one folder or the other. */
const PYTHON = /^\.(?:scalingo|heroku)\/python\//;
const SITE_PACKAGES = /^\.(?:scalingo|heroku)\/python\/lib\/python[\d.]+\/site-packages\//;
/** An installer's own records, which differ between installers. */
const INSTALLER_RECORD = /\.dist-info\/(?:RECORD|INSTALLER|REQUESTED|direct_url\.json)$/;
const LAST_LINES = 15;
/** Larger files are not scripts that contain the path of their folder. */
const MAX_TEXT = 16 * 1024 * 1024;
const STEP = /^-----> ?/;

export function compareSides(trial: Trial, buildpack: Side, pyflow: Side): Comparison {
  const files = compareFiles(trial.appDir, buildpack.buildDir, pyflow.buildDir);
  const packages = comparePackages(buildpack.buildDir, pyflow.buildDir);
  const builds = Math.max(buildpack.compiles.length, pyflow.compiles.length);
  const compiles = Array.from({ length: builds }, (_, index) =>
    pair(timed(buildpack.compiles[index]), timed(pyflow.compiles[index])),
  );
  const { different, onlyBuildpack, onlyPyflow } = files.app;
  const isSame =
    isPassed(buildpack.detect) === isPassed(pyflow.detect) &&
    buildpack.compiles.every(isPassed) === pyflow.compiles.every(isPassed) &&
    Object.keys(packages.different).length === 0 &&
    different.length + onlyBuildpack.length + onlyPyflow.length === 0;
  return {
    schema: 'pyflow.shadow/1',
    isSame,
    detect: pair(buildpack.detect.status, pyflow.detect.status),
    compiles,
    release: pair(buildpack.release.lines.join('\n'), pyflow.release.lines.join('\n')),
    files,
    packages: packages.different,
    packagesInCommon: packages.inCommon,
    environment: buildpack.environment && pyflow.environment && differences(buildpack.environment, pyflow.environment),
    steps: { buildpack: stepsOf(buildpack), pyflow: stepsOf(pyflow) },
    failures: pair(lastLines(buildpack), lastLines(pyflow)),
  };
}

const isPassed = ({ status }: StepRun): boolean => status === 0;
const timed = (run: StepRun | undefined) => run && { status: run.status, durationMs: run.durationMs };
const stepsOf = ({ compiles }: Side): readonly string[] =>
  (compiles[0]?.lines ?? []).filter((line) => STEP.test(line)).map((line) => line.replace(STEP, ''));

function lastLines({ compiles }: Side): readonly string[] | undefined {
  const failed = compiles.find((run) => !isPassed(run));
  return failed && [...failed.lines, ...failed.errors].slice(-LAST_LINES);
}

function pair<T>(buildpack: T | undefined, pyflow: T | undefined): Pair<T> {
  return { ...(buildpack === undefined ? {} : { buildpack }), ...(pyflow === undefined ? {} : { pyflow }) };
}

function differences(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): Readonly<Record<string, Pair<string>>> {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return Object.fromEntries(
    names.flatMap((name) => (one[name] === other[name] ? [] : [[name, pair(one[name], other[name])]])),
  );
}

function compareFiles(appDir: string, buildpackDir: string, pyflowDir: string): Comparison['files'] {
  const own = new Set(filesBelow(appDir));
  const one = new Set(filesBelow(buildpackDir));
  const other = new Set(filesBelow(pyflowDir));
  const found = Object.fromEntries(
    FILE_CLASSES.map((name) => [
      name,
      { same: 0, different: [] as string[], onlyBuildpack: [] as string[], onlyPyflow: [] as string[] },
    ]),
  ) as Record<FileClass, { same: number; different: string[]; onlyBuildpack: string[]; onlyPyflow: string[] }>;
  for (const path of [...new Set([...one, ...other])].sort()) {
    const difference = found[classOf(path, own)];
    if (!other.has(path)) difference.onlyBuildpack.push(path);
    else if (!one.has(path)) difference.onlyPyflow.push(path);
    else if (contentOf(buildpackDir, path) === contentOf(pyflowDir, path)) difference.same++;
    else difference.different.push(path);
  }
  return found;
}

function classOf(path: string, own: ReadonlySet<string>): FileClass {
  if (own.has(path)) return 'app';
  if (path.startsWith('.profile.d/')) return 'profile';
  if (path.endsWith('.pyc')) return 'bytecode';
  if (INSTALLER_RECORD.test(path)) return 'records';
  if (SITE_PACKAGES.test(path)) return 'packages';
  return PYTHON.test(path) ? 'runtime' : 'other';
}

/** Files and links, in app coordinates. */
function filesBelow(folder: string): readonly string[] {
  const found: string[] = [];
  const visit = (prefix: string): void => {
    for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
      if (prefix === '' && (entry.name === '.git' || entry.name === '.pyflow')) continue;
      if (entry.isDirectory()) visit(`${prefix}${entry.name}/`);
      else found.push(`${prefix}${entry.name}`);
    }
  };
  visit('');
  return found;
}

/** With the folder of the build replaced by `/app`, its path when the app runs. */
function contentOf(folder: string, path: string): string {
  const file = join(folder, path);
  const stat = lstatSync(file);
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(file).replaceAll(folder, '/app')}`;
  if (!stat.isFile()) return 'neither file nor link';
  const mode = (stat.mode & 0o100) === 0 ? '' : 'executable ';
  if (stat.size > MAX_TEXT) return `${mode}${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
  return `${mode}${readFileSync(file, 'latin1').replaceAll(folder, '/app')}`;
}

function comparePackages(buildpackDir: string, pyflowDir: string) {
  const one = packagesOf(buildpackDir);
  const other = packagesOf(pyflowDir);
  const inCommon = Object.keys(one).filter((name) => one[name] === other[name]).length;
  return { different: differences(one, other), inCommon };
}

/** From the `.dist-info` folders that installers write. */
function packagesOf(folder: string): Readonly<Record<string, string>> {
  const packages: Record<string, string> = {};
  for (const path of filesBelow(folder)) {
    const [, name, version] = /\/site-packages\/([^/]+)-([^/-]+)\.dist-info\/METADATA$/.exec(`/${path}`) ?? [];
    if (name !== undefined && version !== undefined && PYTHON.test(path)) {
      packages[name.toLowerCase().replaceAll(/[-_.]+/g, '-')] = version;
    }
  }
  return packages;
}
