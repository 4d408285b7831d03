// What the platform keeps of an app from build to build, in CACHE_DIR: its id, the version of its last Python, the build
// data. The version has the place and form that the buildpack before pyflow gave it, so either finds that of the other.

import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Failure } from '../../engine/failure.js';
import { readState, writeState } from '../../engine/run/run-record.js';
import { publishFile, removeQuietly } from '../../engine/files/sealed-json.js';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import { isAppId } from '../run-options.js';
import { buildDataText, dataFile } from './build-data.js';
import type { Places } from './places.js';
import { readCacheFile } from '../../engine/files/cache-file.js';

/** In the vendor folder of CACHE_DIR. */
const VERSION_FILE = 'python-version';
/** What the buildpack before pyflow, and releases before that one, kept there: of no use any more. */
const OF_ANCESTOR = [
  'python',
  'python-poetry',
  'python-uv',
  'python-stack',
  'python-sqlite3-version',
  'requirements.txt',
  'src',
  'vendor',
];
/** Its build data in an older form. */
const OLD_BUILD_DATA = ['build-data/python', 'build-data/python-prev'];
/** Of the files of one line. */
const LARGEST = 64 * 1024;
const APP_ID_FILE = 'pyflow-app-id';

export class AppCache {
  /** A cache of the buildpack before pyflow, to be replaced. */
  readonly isOfAncestor: boolean;
  readonly appId: string;

  private constructor(
    readonly dir: string,
    private readonly places: Places,
  ) {
    this.isOfAncestor = ['python', 'python-stack'].some((name) => exists(join(dir, places.vendorDir, name)));
    this.appId = places.appId ?? storedId(dir);
  }

  /** Also begins the build data anew, so that those of a build that is cut off are not taken for its own. */
  static open(dir: string, places: Places): AppCache | Failure {
    try {
      mkdirSync(join(dir, 'build-data'), { recursive: true });
      const file = dataFile(dir);
      if (exists(file)) renameSync(file, join(dir, 'build-data/python-prev.json'));
      const cache = new AppCache(dir, places);
      if (cache.writeBuildData({}) && publishFile(join(dir, APP_ID_FILE), `${cache.appId}\n`)) return cache;
      return cannotWrite(dir, 'A file in it cannot be written.');
    } catch (error) {
      return cannotWrite(dir, (error as Error).message);
    }
  }

  /** The store of results. */
  get storeDir(): string {
    return this.places.sharedCache ?? join(this.dir, 'pyflow');
  }

  /**
   * Gives the version of the last build to the pipeline: CACHE_DIR goes from machine to machine with the app, and an app
   * whose CACHE_DIR was emptied is to get the default again.
   */
  handOverVersion(): void {
    const { python: known, ...others } = readState(this.storeDir, this.appId);
    const last = lastMinor(join(this.dir, this.places.vendorDir, VERSION_FILE));
    const python: JSONValue | undefined = last === undefined ? undefined : { minor: last };
    if (JSON.stringify(known) === JSON.stringify(python)) return;
    writeState(this.storeDir, this.appId, { ...others, ...(python === undefined ? {} : { python }) });
  }

  /** After a build that succeeded. `version`: of the Python in the slug. */
  keepVersion(version: string | undefined): void {
    if (version === undefined) return;
    publishFile(join(this.dir, this.places.vendorDir, VERSION_FILE), `python-${version}\n`);
    // What is not ours to remove stays; the build is not the worse for it.
    for (const name of OF_ANCESTOR) removeQuietly(join(this.dir, this.places.vendorDir, name));
    for (const name of OLD_BUILD_DATA) removeQuietly(join(this.dir, name));
  }

  writeBuildData(data: JSONObject): boolean {
    const own = this.isOfAncestor && data['cache_status'] !== undefined ? { ...data, cache_status: 'discarded' } : data;
    return publishFile(dataFile(this.dir), buildDataText(own));
  }
}

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Made at the first build of an app; nobody can guess that of another in a cache that many share. */
function storedId(dir: string): string {
  const stored = textOf(join(dir, APP_ID_FILE))?.trim() ?? '';
  return isAppId(stored) ? stored : `app-${randomBytes(16).toString('hex')}`;
}

function lastMinor(file: string): string | undefined {
  return /^(?:python-)?((?:0|[1-9]\d*)\.(?:0|[1-9]\d*))\.(?:0|[1-9]\d*)\s*$/.exec(textOf(file) ?? '')?.[1];
}

function textOf(file: string): string | undefined {
  return readCacheFile(file, LARGEST)?.toString('utf8');
}

const cannotWrite = (dir: string, detail: string): Failure => ({
  code: 'buildpack::cache-dir-unusable',
  blame: 'environment',
  title: `CACHE_DIR cannot be used: ${dir}`,
  detail,
  remedy: 'The platform must give a folder that the user of the build may write to.',
});
