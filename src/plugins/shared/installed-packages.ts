// Name and version of the packages in a site-packages folder, from their metadata.

import { readdir, readFile } from 'node:fs/promises';

/** `Flask_Login` and `flask-login` name one package. */
export const normalizedName = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

/** Normalized name -> version, sorted by name. */
export async function installedPackages(sitePackages: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(sitePackages).catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith('.dist-info'))
      .map(async (name) => readMetadata(await readFile(`${sitePackages}/${name}/METADATA`, 'utf8').catch(() => ''))),
  );
  const entries = found.filter((entry) => entry !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readMetadata(text: string): readonly [string, string] | undefined {
  const header = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const name = /^Name:[ \t]*(.+?)[ \t]*$/im.exec(header)?.[1];
  const version = /^Version:[ \t]*(.+?)[ \t]*$/im.exec(header)?.[1];
  return name === undefined || version === undefined ? undefined : [normalizedName(name), version];
}
