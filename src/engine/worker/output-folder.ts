// Writes a result into out/, in the shape that the store would upload.

import { mkdirSync, writeFileSync } from 'node:fs';
import { canonicalJSON } from '../../manifests/json-schema.js';
import { FailureError } from '../failure.js';
import { cacheUnusable } from '../files/file-failures.js';
import type { ActionResult } from '../store/store.js';
import type { BlobStore } from '../trees/blob-store.js';
import { directoriesOf } from '../trees/directories.js';
import { layerText } from '../trees/layers.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import { materializeTree } from '../trees/output-tree.js';
import type { DirectoryTable, Layer } from '../trees/tree.js';

/** `root`: the folder in which the worker runs the action. result.json is written last. */
export async function writeOutputs(
  root: string,
  result: ActionResult,
  { store, table }: { readonly store: BlobStore; readonly table: DirectoryTable },
): Promise<void> {
  mkdirSync(`${root}/out`, { recursive: true });
  const { app, appLayer, tool, toolLayer } = OUTPUT_PATHS;
  const parts: readonly [string, string, Layer | undefined][] = [
    [app, appLayer, result.layer],
    [tool, toolLayer, result.tool],
  ];
  for (const [folder, blob, layer] of parts) {
    if (layer === undefined) continue;
    const made = await materializeTree(store, table, layer.root, `${root}/${folder}`, { isRecorded: false });
    if (!made.ok) throw new FailureError('failure' in made.failure ? made.failure.failure : cacheUnusable(root, LOST));
    writeFileSync(`${root}/${blob}`, layerText(layer));
  }
  writeFileSync(`${root}/${OUTPUT_PATHS.result}`, canonicalJSON(result));
}

const LOST = new Error('A blob was lost while the outputs were written.');

/** Whether a layer has permissions that workers don't keep: anything but 0644 and 0755. */
export function hasUnusualModes(table: DirectoryTable, { root }: Layer): boolean {
  for (const { mode, files } of directoriesOf(table, root).values())
    if (mode !== undefined || files.some((file) => file.mode !== undefined)) return true;
  return false;
}
