// sandbox.test.ts runs this as another user: opens a sandbox in the given folder and prints what a command sees there.

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { probeSandbox } from '../../src/engine/process/sandbox/probe.js';

const [folder = ''] = process.argv.slice(2);
const found = await probeSandbox('required', {
  searchPath: (process.env['PATH'] ?? '').split(':'),
  passThrough: {},
  stateDir: join(folder, 'state'),
});
if (found.ok) {
  for (const name of ['app', 'scratch', 'cache', 'given']) mkdirSync(join(folder, name));
  const session = found.value.open({
    appDir: join(folder, 'app'),
    scratchDir: join(folder, 'scratch'),
    cacheDir: join(folder, 'cache'),
    givenDir: join(folder, 'given'),
    tools: {},
  });
  const lines: string[] = [];
  const result = await session.run({
    argv: ['sh', '-c', 'id -u; id -un; touch /app/made'],
    env: { PATH: '/usr/bin:/bin' },
    network: false,
    onLine: (_stream, text) => lines.push(text),
    signal: new AbortController().signal,
  });
  console.log(JSON.stringify({ result, lines, owner: statSync(join(folder, 'app/made')).uid }));
} else {
  console.log(JSON.stringify(found));
}
