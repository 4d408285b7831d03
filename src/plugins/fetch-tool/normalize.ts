// Brings a folder that `pip install --target` filled into a form that is the same on every machine.

import type { Folder } from '../../engine/sdk.js';
import { editRecord } from '../shared/install/record.js';

/**
 * Scripts name the interpreter that installed them, but each user of a tool runs it with another interpreter, so scripts are removed and
 * programs stay. RECORD files lose the lines of removed files. Returns the sources to compile, sorted.
 */
export async function normalizeTool(tool: Folder): Promise<readonly string[]> {
  const present = new Set<string>();
  for (const { path, kind } of await tool.walk()) {
    if (path.endsWith('.pyc') || (path.startsWith('bin/') && kind === 'file' && isScript(tool, path)))
      tool.remove(path);
    else present.add(path);
  }
  if (![...present].some((path) => path.startsWith('bin/'))) tool.remove('bin');
  for (const path of [...present].filter((name) => /^[^/]+\.dist-info\/RECORD$/.test(name))) {
    if (!tool.isFile(path)) continue;
    const text = tool.readText(path) ?? '';
    tool.write(
      path,
      editRecord(text, (name) => (present.has(name) ? undefined : 'drop')),
    );
  }
  return [...present].filter((path) => path.endsWith('.py'));
}

const isScript = (tool: Folder, path: string): boolean => tool.readStart(path, 2)?.toString('latin1') === '#!';
