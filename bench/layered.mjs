// Writes the layered graph as a pipeline file with the app it runs in: node bench/layered.mjs FOLDER COUNT

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { layered, pipelineOf, writeInputs } from './graph.mjs';

const [, , folder, count] = argv;
if (folder === undefined || !(Number(count) > 0)) throw new Error('usage: node bench/layered.mjs FOLDER COUNT');
const nodes = layered(Number(count));
mkdirSync(folder, { recursive: true });
writeInputs(folder, nodes);
writeFileSync(join(folder, 'layered.yml'), pipelineOf(nodes));
