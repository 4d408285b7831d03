// buildbox-casd as an executor whose actions find pyflow-node, as they do in the image of a worker.

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundledCli } from './cli-scene.js';
import { Casd } from './casd.js';

/** What both sides call the machine's programs. In the sandbox of an action, the packages of the machine can't be seen. */
export const BUILDER = 'of-the-tests';

export interface WorkerOptions {
  /** Text of the program `pyflow-node`; absent for the real one. */
  readonly program?: string;
  readonly builder?: string;
  readonly jobs?: number;
}

/** The folder is mounted at /usr/local/bin of the actions. */
export function workerFolder({ program, builder = BUILDER }: WorkerOptions = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'pyflow-worker-'));
  mkdirSync(join(folder, 'bin'));
  copyFileSync(join(dirname(bundledCli()), 'pyflow-node.cjs'), join(folder, 'bin/pyflow-node.cjs'));
  const real = `PYFLOW_BUILDER=${builder} exec /opt/node/${process.execPath.split('/').at(-1)} /usr/local/bin/pyflow-node.cjs "$@"`;
  writeFileSync(join(folder, 'bin/pyflow-node'), `#!/bin/sh\n${program ?? real}\n`);
  chmodSync(join(folder, 'bin/pyflow-node'), 0o755);
  return folder;
}

/** What an action sees besides the machine's programs. */
export const workerMounts = (folder: string): readonly string[] => [
  `${folder}/bin:/usr/local/bin`,
  `${dirname(process.execPath)}:/opt/node`,
];

export function startWorkers(folder: string, { jobs = 2 }: WorkerOptions = {}): Promise<Casd> {
  return Casd.start({
    execution: { jobs },
    more: workerMounts(folder).map((mount) => `--runner-arg=--bind-mount=${mount}`),
  });
}
