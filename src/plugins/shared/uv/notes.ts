// Removes the files that uv writes to site-packages for its next run. They contain times and digests of sources, which differ
// between machines.

import type { Folder } from '../../../engine/sdk.js';
import { editRecord } from '../install/record.js';

const NOTE = /^uv_(cache|build)\.json$/;

/** Removes the files and their lines in RECORD. */
export function dropUvNotes(app: Folder, sitePackages: string): void {
  for (const { name: info, kind } of app.list(sitePackages)) {
    if (kind !== 'directory' || !info.endsWith('.dist-info')) continue;
    const folder = `${sitePackages}/${info}`;
    const names = app.names(folder).filter((name) => NOTE.test(name));
    if (names.length === 0) continue;
    for (const name of names) app.remove(`${folder}/${name}`);
    const dropped = new Set(names.map((name) => `${info}/${name}`));
    const text = app.isFile(`${folder}/RECORD`) ? app.readText(`${folder}/RECORD`) : undefined;
    if (text === undefined) continue;
    app.write(
      `${folder}/RECORD`,
      editRecord(text, (path) => (dropped.has(path) ? 'drop' : undefined)),
    );
  }
}
