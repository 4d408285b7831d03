// Name and version of the packages in a site-packages folder, from their metadata.

import type { Folder } from '../../../engine/sdk.js';
import { normalizeName } from '../../../manifests/app/requirements.js';

/** Longer than any metadata that a person wrote. */
const MOST_METADATA = 4 * 1024 * 1024;

/** Normalized name -> version, sorted by name. `sitePackages`: in `folder`. Ignores metadata that is not a regular file. */
export function installedPackages(folder: Folder, sitePackages: string): Readonly<Record<string, string>> {
  const entries = folder.list(sitePackages).flatMap(({ name, kind }) => {
    const path = `${sitePackages}/${name}/METADATA`;
    if (kind !== 'directory' || !name.endsWith('.dist-info') || !folder.isFile(path)) return [];
    const entry = readMetadata(folder.readText(path, MOST_METADATA) ?? '');
    return entry === undefined ? [] : [entry];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readMetadata(text: string): readonly [string, string] | undefined {
  const header = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const name = /^Name:(.+)$/im.exec(header)?.[1]?.trim() || undefined;
  const version = /^Version:(.+)$/im.exec(header)?.[1]?.trim() || undefined;
  return name === undefined || version === undefined ? undefined : [normalizeName(name), version];
}
