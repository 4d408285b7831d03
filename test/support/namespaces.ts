// Whether this machine supports the sandbox of namespaces, by the same probe as in the engine.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';

let found: Promise<boolean> | undefined;
export const hasNamespaces = (): Promise<boolean> => (found ??= probe());

async function probe(): Promise<boolean> {
  const stateDir = mkdtempSync(join(tmpdir(), 'pyflow-probe-'));
  try {
    const searchPath = (process.env['PATH'] ?? '').split(':');
    return (await probeSandbox('required', { searchPath, passThrough: {}, stateDir })).ok;
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}
