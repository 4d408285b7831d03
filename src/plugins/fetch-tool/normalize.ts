// Brings a folder that `pip install --target` filled into a form that is the same wherever it was made.

import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { walkFiles } from '../shared/file-walk.js';
import { editRecord } from '../shared/record.js';

/**
 * Scripts name the interpreter that installed them, while a tool is run by the interpreter of whoever uses it: they go,
 * and programs stay. RECORDs lose the lines of what is not there. Returns the sources to compile, sorted.
 */
export async function normalizeTool(folder: string): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const present = new Set<string>();
  for (const { path } of await walkFiles(folder)) {
    if (path.endsWith('.pyc') || (path.startsWith('bin/') && (await isScript(`${folder}/${path}`)))) {
      await rm(`${folder}/${path}`);
    } else present.add(path);
  }
  if (![...present].some((path) => path.startsWith('bin/')))
    await rm(`${folder}/bin`, { recursive: true, force: true });
  for (const path of [...present].filter((name) => /^[^/]+\.dist-info\/RECORD$/.test(name))) {
    const text = await readFile(`${folder}/${path}`, 'utf8');
    await writeFile(
      `${folder}/${path}`,
      editRecord(text, (name) => (present.has(name) ? undefined : 'drop')),
    );
  }
  return [...present].filter((path) => path.endsWith('.py'));
}

async function isScript(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return buffer.toString('latin1', 0, bytesRead) === '#!';
  } finally {
    await file.close();
  }
}
