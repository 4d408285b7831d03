// Lays out a tool tree of a run for programs that run after it.

import { renameSync } from 'node:fs';
import { loadLayer } from '../trees/layers.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { openLocalStore } from '../store/local-store.js';
import { materializeTree } from '../trees/output-tree.js';
import { fileTrouble } from '../files/file-failures.js';
import type { DirectoryTable } from '../trees/tree.js';
import { removeTree } from '../files/remove-tree.js';

/** `key`: of the node that made the tool. The folder appears atomically; an existing one is kept. */
export async function layOutTool(cacheDir: string, key: string, folder: string): Promise<Result<undefined>> {
  const store = openLocalStore(cacheDir, { readOnly: true });
  if (!store.ok) return store;
  const temporary = `${folder}.${process.pid}.tmp`;
  const table: DirectoryTable = new Map();
  try {
    const tool = store.value.inspect(key)?.result.tool;
    if (tool === undefined || !(await loadLayer(store.value, tool, table))) return fail(toolGone(key));
    const written = await materializeTree(store.value, table, tool.root, temporary, { isRecorded: false });
    if (!written.ok) return fail('missing' in written.failure ? toolGone(key) : written.failure.failure);
    renameSync(temporary, folder);
    return succeed(undefined);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another process was faster.
    return code === 'ENOTEMPTY' || code === 'EEXIST' ? succeed(undefined) : fail(fileTrouble(folder, error));
  } finally {
    removeTree(temporary);
    await store.value.close();
  }
}

const toolGone = (key: string): Failure => ({
  code: 'cache::tool-gone',
  blame: 'environment',
  title: 'The tool is no longer in the cache',
  detail: `action ${key}`,
  remedy: 'Build again. pyflow makes missing results again.',
});
