// Builds the example app, boots it from its slug, and sends it a request: what a new user sees first.

import { spawn, spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const app = `${root}examples/flask-pip`;
const pyflow = [`${root}dist/cli.js`];

console.log('$ pyflow run pipelines/python.yml --app examples/flask-pip');
const built = spawnSync(process.execPath, [...pyflow, 'run', `${root}pipelines/python.yml`, '--app', app], {
  stdio: 'inherit',
});
if (built.status !== 0) process.exit(built.status ?? 70);

const port = await freePort();
const serve = ['gunicorn', 'app:app', '--bind', `127.0.0.1:${port}`];
console.log(`$ pyflow exec --slug examples/flask-pip/.pyflow/slug -- ${serve.join(' ')}`);
const server = spawn(process.execPath, [...pyflow, 'exec', '--slug', `${app}/.pyflow/slug`, '--', ...serve], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { ...process.env, PORT: String(port) },
});
const ended = new Promise((resolve) => server.once('exit', resolve));

const response = await firstAnswer(`http://127.0.0.1:${port}/`, 30_000);
server.kill('SIGTERM');
await ended;
if (response === undefined) {
  console.error('The app did not answer within 30 s.');
  process.exit(1);
}
console.log(`GET / -> HTTP ${response.status}, ${response.bytes} bytes`);
process.exit(response.status === 200 ? 0 : 1);

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** The port refuses connections until the server listens; the server may also end before that. */
async function firstAnswer(url, timeoutMs) {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline && server.exitCode === null) {
    try {
      const answer = await fetch(url);
      return { status: answer.status, bytes: (await answer.arrayBuffer()).byteLength };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return undefined;
}
