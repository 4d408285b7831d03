// The group `store` bundles this. It writes a stored layer into a new folder, the way a slug is written, and nothing else.
// node BUNDLE FOLDER CACHE LAYER

import { argv } from 'node:process';
import { loadLayer } from '../src/engine/trees/layers.ts';
import { openLocalStore } from '../src/engine/store/local-store.ts';
import { materializeTree } from '../src/engine/trees/output-tree.ts';

const [, , folder, cache, text] = argv;
const layer = JSON.parse(text);
const opened = openLocalStore(cache);
if (!opened.ok) throw new Error(opened.failure.detail);
const store = opened.value;
const table = new Map();
if (!(await loadLayer(store, layer, table))) throw new Error(`no tree ${layer.tree} in ${cache}`);
const written = await materializeTree(store, table, layer.root, folder, { isRecorded: false });
if (!written.ok) throw new Error(JSON.stringify(written.failure));
await store.close();
