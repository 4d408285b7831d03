// What the name of a package file says: project, version, and for a wheel its tags.

import { normalizeName } from '../../manifests/app/requirements.js';
import { isVersion } from '../../manifests/app/package-version.js';

export interface FileNameParts {
  /** Normalized according to PEP 503. */
  readonly project: string;
  readonly version: string;
  readonly kind: 'wheel' | 'sdist';
  /** Of a wheel. Each may have several, as `py2.py3` has. */
  readonly tags?: {
    readonly pythons: readonly string[];
    readonly abis: readonly string[];
    readonly platforms: readonly string[];
  };
}

const LONGEST = 255;
const WHEEL = /^([^-]+)-([^-]+)(?:-\d[^-]*)?-([^-]+)-([^-]+)-([^-]+)\.whl$/i;
const SDIST = /^(.+)\.(?:tar\.gz|tgz|zip|tar\.bz2|tbz|tar\.xz|txz|tar\.zst|tar|tar\.lzma|tar\.Z)$/i;
const NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;

/**
 * Undefined for other files, such as eggs. Old names of source archives have dashes anywhere; `project` tells where the
 * version begins. Without it, it begins behind the first dash that leaves a readable version.
 */
export function fileNameParts(filename: string, project?: string): FileNameParts | undefined {
  if (filename.length > LONGEST) return undefined;
  const [wheel, name = '', version = '', pythons = '', abis = '', platforms = ''] = WHEEL.exec(filename) ?? [];
  if (wheel !== undefined) {
    // An underscore stands for a dash, which ends the version.
    const written = version.replaceAll('_', '-');
    if (!NAME.test(name) || !isVersion(written)) return undefined;
    const tags = { pythons: pythons.split('.'), abis: abis.split('.'), platforms: platforms.split('.') };
    return { project: normalizeName(name), version: written, kind: 'wheel', tags };
  }
  const stem = SDIST.exec(filename)?.[1];
  return stem === undefined ? undefined : splitStem(stem, project === undefined ? undefined : normalizeName(project));
}

function splitStem(stem: string, wanted: string | undefined): FileNameParts | undefined {
  for (let at = stem.indexOf('-'); at > 0; at = stem.indexOf('-', at + 1)) {
    const [name, version] = [stem.slice(0, at), stem.slice(at + 1)];
    if (!NAME.test(name)) continue;
    const project = normalizeName(name);
    if (wanted === undefined ? isVersion(version) : project === wanted) return { project, version, kind: 'sdist' };
  }
  return undefined;
}
