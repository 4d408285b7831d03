// 200 nodes of half a second on real workers, against buildbox's own client, which executes the same actions on the same servers, four
// at a time: node --import tsx bench/execution.mjs [--rounds N] [--nodes N] [--only casd|cluster]. Also what pyflow's own process
// computes for a node. Not a part of bench.mjs, because it takes minutes and brings a whole cluster.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs, promisify } from 'node:util';
import { decodeAction, decodeCommand } from '../src/engine/trees/reapi.ts';
import { limits, transportTo } from '../test/servers/remote-transport.ts';
import { bringOrSkip } from '../test/support/servers/bring.ts';
import { Cluster, needCluster } from '../test/support/servers/cluster.ts';
import { BUILDER, startWorkers, workerFolder, workerMounts } from '../test/support/workers.ts';
import { makeFolder, root } from './measure.mjs';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '2' },
    nodes: { type: 'string', default: '200' },
    only: { type: 'string', multiple: true, default: ['casd', 'cluster'] },
  },
});
const NODES = Number(values.nodes);
const AT_ONCE = 4;
const MOST_RATIO = 1.05;
const MOST_CPU_MS = 10;

const noMocha = {
  timeout() {},
  skip() {
    throw new Error('a server can not be had here');
  },
};
const trexe = join(bringOrSkip(noMocha, 'buildbox'), 'trexe');
const workers = workerFolder();
const START = {
  casd: () => startWorkers(workers, { jobs: AT_ONCE }),
  cluster() {
    needCluster(noMocha);
    return Cluster.start({ mounts: workerMounts(workers) });
  },
};

try {
  for (const name of values.only) {
    const server = await START[name]();
    try {
      await measure(name, server.url);
    } finally {
      await server.stop();
    }
  }
} finally {
  rmSync(workers, { recursive: true, force: true });
}

async function measure(name, url) {
  for (let round = 1; round <= Number(values.rounds); round++) {
    const ours = await byPyflow(url);
    const theirs = await byTrexe(await argumentsOf(ours.keys, url), url);
    const ratio = ours.seconds / theirs.seconds;
    const cpuMs = (ours.cpuSeconds * 1000) / NODES;
    const figures = [
      `${name}, round ${round}: ${NODES} nodes`,
      `pyflow ${ours.seconds.toFixed(2)} s, trexe ${theirs.seconds.toFixed(2)} s`,
      `ratio ${ratio.toFixed(3)} (at most ${MOST_RATIO})`,
      `CPU of the client: pyflow ${cpuMs.toFixed(1)} ms a node (at most ${MOST_CPU_MS}), trexe ${((theirs.cpuSeconds * 1000) / NODES).toFixed(1)}`,
    ];
    process.stdout.write(`${figures.join('; ')}\n`);
  }
}

/** Builds something new, all of it on workers. */
async function byPyflow(url) {
  const folder = makeFolder();
  mkdirSync(join(folder, 'app'));
  writeFileSync(join(folder, 'app/tag.txt'), `${folder}\n`);
  const node = (index) => ({
    uses: 'command',
    with: { argv: ['sh', '-c', `sleep 0.5; echo ${index} > n${index}`], reads: ['tag.txt'], writes: [`n${index}`] },
  });
  const nodes = Object.fromEntries(Array.from({ length: NODES }, (_, index) => [`n${index}`, node(index)]));
  writeFileSync(join(folder, 'pipeline.json'), JSON.stringify({ pyflow: 1, name: 'sleep', nodes }));
  const report = join(folder, 'report.json');
  const places = [`--app=${folder}/app`, `--out=${folder}/slug`, `--cache-dir=${folder}/cache`, `--report=${report}`];
  const argv = [process.execPath, join(root, 'dist/cli.js'), 'run', join(folder, 'pipeline.json'), ...places];
  const env = { PATH: process.env.PATH, HOME: folder, PYFLOW_BUILDER: BUILDER, PYFLOW_REMOTE_EXECUTE: '1' };
  const taken = await timed([...argv, `--remote=${url}`, '--log=plain'], env);
  const ran = Object.values(JSON.parse(readFileSync(report, 'utf8')).nodes);
  const away = ran.filter(({ executedOn }) => executedOn === 'remote').length;
  if (away !== NODES) throw new Error(`only ${away} of ${NODES} nodes ran on workers:\n${taken.output.slice(0, 2000)}`);
  return { ...taken, keys: ran.map(({ key }) => key) };
}

/** For each action the same options of trexe. */
async function argumentsOf(keys, url) {
  const transport = await transportTo(url);
  const read = async (digests) => (await transport.readBatch(digests, limits())).blobs;
  try {
    const actions = [...(await read(keys)).values()].map(decodeAction);
    const commands = await read([...new Set(actions.map(({ command }) => command))]);
    return actions.map((action) => {
      const { arguments: argv, environment, outputPaths } = decodeCommand(commands.get(action.command));
      const properties = action.platform.map(({ name, value }) => `${name}=${value}`).join(',');
      return [
        `--input-root-digest=${action.inputRoot}`,
        `--platform-properties=${properties}`,
        ...environment.map(({ name, value }) => `--env=${name}=${value}`),
        ...outputPaths.map((path) => `--output-path=${path}`),
        '--',
        ...argv,
      ];
    });
  } finally {
    transport.close();
  }
}

async function byTrexe(actions, url) {
  const folder = makeFolder();
  const remote = url.replace('grpc:', 'http:');
  const own = (index) => [`--remote=${remote}`, `--salt=${folder}`, '--wait', `--d=${folder}/${index}`];
  const lines = actions.map((options, index) => [...own(index), ...options]);
  const most = new Set(lines.map(({ length }) => length));
  if (most.size !== 1) throw new Error('actions of unlike length');
  writeFileSync(join(folder, 'arguments'), lines.flat().join('\0'));
  const xargs = ['xargs', '-0', '-a', join(folder, 'arguments'), '-P', `${AT_ONCE}`, '-n', `${[...most][0]}`];
  const taken = await timed([...xargs, trexe], { PATH: process.env.PATH, HOME: folder });
  const made = actions.filter((_, index) => readFileSync(join(folder, `${index}/out/result.json`)).length > 0);
  if (made.length !== NODES) throw new Error('trexe made fewer');
  return taken;
}

/** Seconds, and those in which the process and its children computed. Doesn't block: what the servers print must be read. */
async function timed(argv, env) {
  const folder = makeFolder();
  const times = join(folder, 'times');
  const script = `TIMEFORMAT='%R %U %S'; { time "$@" 2>&1; } 2> "$TIMES"`;
  const run = promisify(execFile)('bash', ['-c', script, 'time', ...argv], {
    env: { ...env, TIMES: times },
    maxBuffer: 1e8,
  });
  const { stdout } = await run;
  const [seconds = 0, user = 0, system = 0] = readFileSync(times, 'utf8')
    .trim()
    .split('\n')
    .at(-1)
    .split(' ')
    .map(Number);
  return { seconds, cpuSeconds: user + system, output: stdout };
}
