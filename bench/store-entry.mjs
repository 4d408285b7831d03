// The group `store` bundles this. It stores a folder as a layer with pyflow's own store, and does nothing else.
// node BUNDLE FOLDER CACHE

import process, { argv } from 'node:process';
import { openLocalStore } from '../src/engine/store/local-store.ts';
import { captureDifference, EMPTY_RECORD } from '../src/engine/trees/output-tree.ts';

const [, , folder, cache] = argv;
const opened = openLocalStore(cache);
if (!opened.ok) throw new Error(opened.failure.detail);
const store = opened.value;
const captured = await captureDifference(store, folder, EMPTY_RECORD);
if (!captured.ok) throw new Error(captured.failure.detail);
await store.close();
// For the restore that follows.
process.stdout.write(`${JSON.stringify(captured.value.layer)}\n`);
