// Puts a small text file into the app.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RunContext } from '../../engine/sdk.js';

export async function writeAppFile(context: RunContext, path: string, text: string): Promise<void> {
  const real = `${context.appDir}/${path}`;
  await mkdir(dirname(real), { recursive: true });
  await writeFile(real, text);
}
