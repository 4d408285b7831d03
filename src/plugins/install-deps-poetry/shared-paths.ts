// Finds files that two packages install with different content, so that the result depends on the order of the install.

import type { Folder } from '../../engine/sdk.js';
import { recordPaths } from '../shared/install/record.js';

/** The `.dist-info` folders of packages that install different content at the same path, sorted. */
export function conflicting(app: Folder, sitePackages: string): readonly string[] {
  const infos = app
    .list(sitePackages)
    .filter(({ name, kind }) => kind === 'directory' && name.endsWith('.dist-info'))
    .map(({ name }) => name);
  const owners = new Map<string, { readonly info: string; readonly line: string }>();
  const found = new Set<string>();
  for (const info of infos) {
    const path = `${sitePackages}/${info}/RECORD`;
    const record = app.isFile(path) ? (app.readText(path) ?? '') : '';
    for (const line of record.split(/\r?\n/)) {
      const [owned] = recordPaths(line);
      const other = owned === undefined ? undefined : owners.get(owned);
      if (owned !== undefined && other === undefined) owners.set(owned, { info, line });
      else if (other !== undefined && other.line !== line) found.add(other.info).add(info);
    }
  }
  return [...found].sort();
}
