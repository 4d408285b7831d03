// Builds the program that runs outside plugins, once per test process.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { sharedFolder } from './shared-folder.js';

let program: string | undefined;

export function pluginHost(): string {
  if (program === undefined) {
    const folder = sharedFolder('pyflow-plugin-host');
    const { outputFiles } = buildSync({
      absWorkingDir: resolve(import.meta.dirname, '../..'),
      entryPoints: ['src/plugin-host/main.ts'],
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20.19',
      sourcemap: 'inline',
      sourcesContent: false,
      outdir: folder,
      write: false,
    });
    program = join(folder, 'plugin-host.mjs');
    writeFileSync(program, outputFiles[0]!.contents);
  }
  return program;
}
