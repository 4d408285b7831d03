// The files of an app in CACHE_DIR, which the platform keeps between builds: the app id, the version of its last Python and
// the build data. The version has the same path and format as in the platform's old buildpack, so each can read the other's.

import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Failure } from '../../engine/failure.js';
import { readState, writeState } from '../../engine/run/run-record.js';
import { publishFile } from '../../engine/files/sealed-json.js';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import { isAppId } from '../run-options.js';
import { buildDataText, dataFile } from './build-data.js';
import type { Places } from './places.js';
import { readCacheFile } from '../../engine/files/cache-file.js';
import { removeTree } from '../../engine/files/remove-tree.js';
import { declareOneMachine } from '../../engine/store/cache-place.js';

/** In the vendor folder of CACHE_DIR. */
const VERSION_FILE = 'python-version';
/** What releases of the old buildpack kept there. pyflow does not use it. */
const OF_OLD_BUILDPACK = [
  'python',
  'python-poetry',
  'python-uv',
  'python-stack',
  'python-sqlite3-version',
  'requirements.txt',
  'src',
  'vendor',
];
/** Its build data in an older format. */
const OLD_BUILD_DATA = ['build-data/python', 'build-data/python-prev'];
/** The files that pyflow reads have one line. */
const MAX_BYTES = 64 * 1024;
const APP_ID_FILE = 'pyflow-app-id';

export class AppCache {
  /** Whether the old buildpack left its cache here. */
  readonly isOfOldBuildpack: boolean;
  readonly appId: string;

  private constructor(
    readonly dir: string,
    private readonly places: Places,
  ) {
    this.isOfOldBuildpack = ['python', 'python-stack'].some((name) => exists(join(dir, places.vendorDir, name)));
    this.appId = places.appId ?? storedId(dir);
  }

  /** Also clears the build data, so that a build that is cut off does not leave the data of the last one. */
  static open(dir: string, places: Places): AppCache | Failure {
    try {
      mkdirSync(join(dir, 'build-data'), { recursive: true });
      const file = dataFile(dir);
      if (exists(file)) renameSync(file, join(dir, 'build-data/python-prev.json'));
      const cache = new AppCache(dir, places);
      // A platform gives CACHE_DIR to one build at a time.
      if (places.sharedCache === undefined) declareOneMachine(cache.storeDir);
      if (cache.writeBuildData({}) && publishFile(join(dir, APP_ID_FILE), `${cache.appId}\n`)) return cache;
      return cannotWrite(dir, 'pyflow could not write a file in it.');
    } catch (error) {
      return cannotWrite(dir, (error as Error).message);
    }
  }

  /** The store of results. */
  get storeDir(): string {
    return this.places.sharedCache ?? join(this.dir, 'pyflow');
  }

  /**
   * Passes the version of the last build on to the pipeline. CACHE_DIR moves from machine to machine with the app, so its
   * version counts, and an app whose CACHE_DIR was emptied gets the default version again.
   */
  handOverVersion(): void {
    const { python: known, ...others } = readState(this.storeDir, this.appId);
    const last = lastMinor(join(this.dir, this.places.vendorDir, VERSION_FILE));
    const python: JSONValue | undefined = last === undefined ? undefined : { minor: last };
    if (JSON.stringify(known) === JSON.stringify(python)) return;
    writeState(this.storeDir, this.appId, { ...others, ...(python === undefined ? {} : { python }) });
  }

  /** After a successful build. `version` is that of the Python in the slug. */
  keepVersion(version: string | undefined): void {
    if (version === undefined) return;
    publishFile(join(this.dir, this.places.vendorDir, VERSION_FILE), `python-${version}\n`);
    // A file that pyflow may not remove does no harm.
    for (const name of OF_OLD_BUILDPACK) removeTree(join(this.dir, this.places.vendorDir, name));
    for (const name of OLD_BUILD_DATA) removeTree(join(this.dir, name));
  }

  writeBuildData(data: JSONObject): boolean {
    const own =
      this.isOfOldBuildpack && data['cache_status'] !== undefined ? { ...data, cache_status: 'discarded' } : data;
    return publishFile(dataFile(this.dir), buildDataText(own));
  }
}

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Made at the first build. In a shared cache, an app can't guess the id of another one. */
function storedId(dir: string): string {
  const stored = textOf(join(dir, APP_ID_FILE))?.trim() ?? '';
  return isAppId(stored) ? stored : `app-${randomBytes(16).toString('hex')}`;
}

function lastMinor(file: string): string | undefined {
  return /^(?:python-)?((?:0|[1-9]\d*)\.(?:0|[1-9]\d*))\.(?:0|[1-9]\d*)\s*$/.exec(textOf(file) ?? '')?.[1];
}

function textOf(file: string): string | undefined {
  return readCacheFile(file, MAX_BYTES)?.toString('utf8');
}

const cannotWrite = (dir: string, detail: string): Failure => ({
  code: 'buildpack::cache-dir-unusable',
  blame: 'environment',
  title: `pyflow can't use CACHE_DIR: ${dir}`,
  detail,
  remedy: 'Pass a folder that the user of the build can write to.',
});
