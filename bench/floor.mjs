// The floor: the least that a program must do to run the layered graph once and not again, with Node's own modules and
// p-graph. It digests inputs and outputs, spawns one command per node, and keeps one state file: no isolation, store or checks.
// node bench/floor.mjs FOLDER COUNT

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { argv, chdir, env } from 'node:process';
import { PGraph } from 'p-graph';
import { commandOf, inputOf, layered, outputOf } from './graph.mjs';

const [, , folder, count] = argv;
chdir(folder);
const STATE = 'floor-state.json';
const nodes = new Map(layered(Number(count)).map((node) => [node.id, node]));
const state = readState();
const outputs = new Map();
let spawned = 0;

const graph = new PGraph(
  new Map([...nodes.keys()].map((id) => [id, {}])),
  [...nodes.values()].flatMap(({ id, needs }) => needs.map((need) => [need, id])),
);
await graph.run({ concurrency: availableParallelism(), run: runNode });
if (spawned > 0) {
  writeFileSync(`${STATE}.new`, JSON.stringify(state));
  renameSync(`${STATE}.new`, STATE);
}

async function runNode(id) {
  const node = nodes.get(id);
  const argv = commandOf(node);
  const key = digest(
    JSON.stringify([argv, digest(readFileSync(inputOf(id))), ...node.needs.map((need) => outputs.get(need))]),
  );
  let output = state[id]?.key === key ? digestOutput(id) : undefined;
  if (output === undefined || output !== state[id]?.output) {
    spawned += 1;
    await execute(argv);
    output = digestOutput(id);
    state[id] = { key, output };
  }
  outputs.set(id, output);
}

function execute([program, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { PATH: env.PATH }, stdio: 'ignore' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`status ${code}`))));
  });
}

function digest(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

function digestOutput(id) {
  try {
    return digest(readFileSync(outputOf(id)));
  } catch {
    return undefined;
  }
}

function readState() {
  try {
    return JSON.parse(readFileSync(STATE, 'utf8'));
  } catch {
    return {};
  }
}
