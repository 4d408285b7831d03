// The floor of a store: digests each file of a folder and copies it under its digest, with two threads.
// node bench/store-floor.mjs FOLDER STORE

import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const THREADS = 2;
const WHOLE = 1024 * 1024;

if (isMainThread) {
  const [, , folder, store] = argv;
  mkdirSync(store, { recursive: true });
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (let thread = 0; thread < THREADS; thread += 1) {
    const own = files.filter((_, index) => index % THREADS === thread);
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { files: own, store } });
    worker.on('error', (error) => {
      throw error;
    });
  }
} else {
  for (const file of workerData.files) await keep(file, workerData.store);
}

async function keep(file, store) {
  const hash = createHash('sha256');
  if (statSync(file).size <= WHOLE) {
    const bytes = readFileSync(file);
    writeFileSync(join(store, hash.update(bytes).digest('hex')), bytes);
    return;
  }
  await pipeline(createReadStream(file, { highWaterMark: WHOLE }), hash);
  copyFileSync(file, join(store, hash.digest('hex')));
}
