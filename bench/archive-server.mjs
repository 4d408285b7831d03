// Serves the files of a folder over http on the loopback address, in a separate thread, because the bench blocks while it measures.

import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

/** `{ url, close }`. */
export function serve(folder) {
  const port = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL(import.meta.url), { workerData: { folder, port } });
  worker.unref();
  if (Atomics.wait(port, 0, 0, 10_000) === 'timed-out') throw new Error('the archive server does not start');
  return { url: `http://127.0.0.1:${Atomics.load(port, 0)}`, close: () => void worker.terminate() };
}

if (!isMainThread) {
  const { folder, port } = workerData;
  const server = createServer(({ url }, answer) => {
    const file = join(folder, basename(url));
    if (!existsSync(file)) answer.writeHead(404).end();
    else createReadStream(file).pipe(answer);
  });
  server.listen(0, '127.0.0.1', () => {
    Atomics.store(port, 0, server.address().port);
    Atomics.notify(port, 0);
  });
}
