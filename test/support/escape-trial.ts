// escapes.test.ts runs this as the user under test: opens the sandbox of a node and runs the attempts in it.

import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';

export interface EscapeTrial {
  /** Belongs to the user. */
  readonly folder: string;
  readonly program: string;
  readonly network: boolean;
  /** Passed to the attempts. */
  readonly outside: object;
}

const { folder, program, network, outside } = JSON.parse(process.argv[2] ?? '') as EscapeTrial;
const found = await probeSandbox('required', {
  searchPath: (process.env['PATH'] ?? '').split(':'),
  passThrough: {},
  stateDir: join(folder, 'state'),
});
if (!found.ok) throw new Error(found.failure.detail);
for (const name of ['app', 'scratch', 'cache', 'given', 'uv']) mkdirSync(join(folder, name));
cpSync(program, join(folder, 'app/attempts.py'));
const session = found.value.open({
  appDir: join(folder, 'app'),
  scratchDir: join(folder, 'scratch'),
  cacheDir: join(folder, 'cache'),
  givenDir: join(folder, 'given'),
  tools: { uv: join(folder, 'uv') },
});
const signal = new AbortController().signal;
if (network) await session.run({ argv: ['/bin/true'], env: {}, network, onLine: () => {}, signal });
const why = found.value.whyNetworkIsShared?.();
const isolated = !network || why === undefined;
const lines: string[] = [];
const result = await session.run({
  argv: ['/usr/bin/python3', '/app/attempts.py', JSON.stringify({ ...outside, isolated })],
  env: { PATH: '/usr/bin:/bin' },
  network,
  onLine: (_stream, text) => lines.push(text),
  signal,
});
await session.close();
console.log(JSON.stringify({ result, lines, why }));
