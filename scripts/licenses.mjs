// Collects the licence texts of the packages in the bundles. Their licences ask for it, and the bundles keep no comments.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LICENSE = /^(licen[cs]e|copying)\b/i;
const NOTICE = /^(notice|copyright)/i;
const RULE = '-'.repeat(80);

/**
 * Sorted by name and version. `maps`: source maps as text, which also name the packages that another package has bundled.
 * Their paths are relative to `root` or to a folder in it.
 */
export function licenseTexts(root, maps) {
  const folders = new Set(maps.flatMap((map) => JSON.parse(map).sources.map(packageOf)));
  folders.delete(undefined);
  const texts = new Map([...folders].map((folder) => titleAndText(installed(root, folder))));
  const sections = [...texts.keys()].sort().map((title) => `${RULE}\n${title}\n${RULE}\n\n${texts.get(title)}\n`);
  return ['The programs in this folder contain code of these packages.\n', ...sections].join('\n');
}

/** No package has a name with a dot in front, but sources of one can be in such a folder. */
const packageOf = (source) => /\bnode_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/.@][^/]*/.exec(source)?.[0];

/** A package that another one has bundled is installed somewhere else, if its path names a folder at the author's. */
function installed(root, folder) {
  const name = folder.split('node_modules/').at(-1);
  return [folder, `node_modules/${name}`].map((path) => join(root, path)).find((path) => existsSync(path));
}

function titleAndText(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).sort();
  const licenses = files.filter((file) => LICENSE.test(file));
  if (licenses.length === 0) throw new Error(`${name} ${version} has no file with the text of its licence`);
  const texts = [...licenses, ...files.filter((file) => NOTICE.test(file))].map((file) =>
    readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim(),
  );
  return [`${name} ${version} (${license})`, texts.join('\n\n')];
}
