// Files that two packages both bring, with different content: which one is left depends on who came last. Unaware of the
// installer.

import { readdir, readFile } from 'node:fs/promises';
import { recordPaths } from '../shared/record.js';

/** The `.dist-info` folders of packages that quarrel about a file, sorted. */
export async function quarrelling(sitePackages: string): Promise<readonly string[]> {
  const infos = (await readdir(sitePackages).catch(() => [])).filter((name) => name.endsWith('.dist-info')).sort();
  const owners = new Map<string, { readonly info: string; readonly line: string }>();
  const found = new Set<string>();
  for (const info of infos) {
    const record = await readFile(`${sitePackages}/${info}/RECORD`, 'utf8').catch(() => '');
    for (const line of record.split(/\r?\n/)) {
      const [path] = recordPaths(line);
      const other = path === undefined ? undefined : owners.get(path);
      if (path !== undefined && other === undefined) owners.set(path, { info, line });
      else if (other !== undefined && other.line !== line) found.add(other.info).add(info);
    }
  }
  return [...found].sort();
}
