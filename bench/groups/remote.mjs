// A second machine whose cache is empty, with a shared cache behind it: how much it runs, fetches and waits, near the server and
// 20 ms away from it, and what a broken server costs.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { briefly, copyExample, runArgs } from '../built-app.mjs';
import {
  bench,
  boundFigure,
  brokenFigure,
  interleave,
  makeFolder,
  networkEnv,
  pyflowTimeAndOutput,
  ratioFigure,
  remove,
  skippedFigure,
  summarize,
} from '../measure.mjs';
import { archiveEnv, STACK, withArchive } from '../runtime-archive.mjs';

const MOST_ROUNDS = 3;
const OWN_MS_A_NODE = 5;
const CHAIN = 100;
const MOST_ADDED_S = 5;
const DISTANCES = { near: 'loopback', far: 'at 20 ms' };
const FAULTS_OF_READERS = [
  'dead',
  'accepts only',
  'stalls at once',
  'stalls after 10 MB',
  'resets at once',
  'resets after 10 MB',
  'closes half after 10 MB',
  'one byte a second after 10 MB',
];
const FAULTS_OF_WRITERS = ['stalls after 10 kB', 'stalls after 60 kB', 'resets after 60 kB'];

export async function remote({ rounds }) {
  let server;
  try {
    server = await startServer();
  } catch (error) {
    return [skippedFigure('remote', `the server can't run here: ${briefly(error)}`)];
  }
  const few = Math.min(rounds, MOST_ROUNDS);
  const parts = {
    'flask example': () => measureExample(server, { rounds, few }),
    LNbits: () => measureLarge(server),
    'graphs of commands': () => measureGraphs(server, few),
    '50 MB': () => measureBulk(server, few),
    'broken servers': () => measureFaults(server, few),
  };
  const figures = [];
  for (const [name, measure] of Object.entries(parts)) {
    try {
      figures.push(...(await measure()));
      await server.ask('idle');
    } catch (error) {
      figures.push(brokenFigure(name, error));
    }
  }
  await server.stop();
  return figures;
}

async function startServer() {
  const child = fork(bench('remote-server.mjs'), {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let errors = '';
  child.stderr.on('data', (text) => (errors += text));
  const died = once(child, 'exit').then(() => {
    throw new Error(errors.slice(-3000) || 'it ended');
  });
  died.catch(() => undefined);
  const [started] = await Promise.race([once(child, 'message'), died]);
  return {
    ...started,
    /** Number of connections to a way to the server, or the time of a `round trip`. Throws if the server has died. */
    ask: async (what) => {
      if (child.connected) child.send(what);
      const [answer] = await Promise.race([once(child, 'message'), died]);
      return answer;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await died.catch(() => undefined);
    },
  };
}

/** An app and a pipeline, and machines with caches of their own. */
class Stage {
  #slug;
  #machines = 0;
  constructor(args, env = networkEnv) {
    this.folder = makeFolder();
    this.app = join(this.folder, 'app');
    this.args = args;
    this.env = env;
    mkdirSync(this.app);
  }

  /** Arguments of a machine that has built nothing. */
  newMachine() {
    const place = join(this.folder, `machine-${(this.#machines += 1)}`);
    return { app: this.app, slug: join(place, 'slug'), cache: join(place, 'cache') };
  }

  /** Throws unless the slug is that of every other run. */
  run(machine, options = []) {
    const reportFile = join(this.folder, 'report.json');
    const args = [...this.args(machine), ...options, '--report', reportFile, '--log=ndjson'];
    const { ms, output } = pyflowTimeAndOutput(args, { env: this.env });
    const report = JSON.parse(readFileSync(reportFile, 'utf8'));
    this.#slug ??= report.slug.digest;
    if (report.slug.digest !== this.#slug) throw new Error(`another slug than before: ${args.join(' ')}`);
    return { ms, report, notices: output.split('\n').filter((line) => /^\{.*"code":"remote::/.test(line)) };
  }

  /** Fills the server. */
  publish(url) {
    const { report, notices } = this.run(this.newMachine(), [`--remote=${url}`, '--remote-write']);
    const { uploaded, notUploaded } = report.remote;
    if (uploaded === 0 || notUploaded > 0)
      throw new Error([`${uploaded} results uploaded, ${notUploaded} not`, ...notices].join(' '));
  }

  end() {
    remove(this.folder);
  }
}

const measureExample = (server, { rounds, few }) =>
  withArchive('flask example', async (archive, mirror) => {
    const stage = new Stage(exampleArgs, archiveEnv(archive, mirror));
    copyExample('pip', stage.app);
    return [...measureSecondMachine(stage, server.urls, few), ...(await measureUpToDate(stage, server, rounds))];
  });

/** Once each, because a cold run takes minutes. With Pythons of this machine. */
function measureLarge({ urls }) {
  const stage = new Stage((machine) => [...plainArgs(machine), '--param=providers=["system"]', '--test']);
  cpSync(bench('fixtures/lnbits'), stage.app, { recursive: true });
  stage.publish(urls.near);
  const cold = () => stage.run(stage.newMachine()).ms;
  const restore = () => stage.run(stage.newMachine(), [`--remote=${urls.far}`]).ms;
  const { far } = interleave(1, [{ name: 'far', floor: cold, pyflow: restore }]);
  stage.end();
  return [ratioFigure('LNbits, empty second machine, at 20 ms; floor: its cold run', far, 0.2)];
}

const plainArgs = (machine) => runArgs(machine).filter((argument) => !argument.startsWith('--log='));

const exampleArgs = (machine) => [...plainArgs(machine), '--param=providers=["scalingo"]', `--param=stack=${STACK}`];

function measureSecondMachine(stage, urls, rounds) {
  stage.publish(urls.near);
  const reports = [];
  const restore = (url) => () => {
    const { ms, report } = stage.run(stage.newMachine(), [`--remote=${url}`]);
    reports.push(report);
    return ms;
  };
  const cold = () => stage.run(stage.newMachine()).ms;
  const samples = interleave(
    rounds,
    Object.keys(DISTANCES).map((name) => ({ name, floor: cold, pyflow: restore(urls[name]) })),
  );
  const most = (valueOf) => Math.max(...reports.map(valueOf));
  return [
    ...Object.entries(DISTANCES).map(([name, where]) =>
      ratioFigure(`flask, empty second machine, ${where}; floor: its cold run`, samples[name], 0.25),
    ),
    boundFigure('flask, nodes with network that ran', '', most(networkedNodesRun), 0),
    boundFigure(
      'flask, round trips',
      '',
      most(({ remote: { roundTrips } }) => roundTrips),
      25,
    ),
    boundFigure('flask, fetched', 'MB', most(({ remote: { bytesDown } }) => bytesDown) / 1e6, 55),
  ];
}

async function measureUpToDate(stage, { urls, ask }, rounds) {
  const machine = stage.newMachine();
  stage.run(machine);
  const idle = [`--remote=${urls.idle}`];
  const again = (options) => () => stage.run(machine, options).ms;
  again(idle)();
  const unchanged = interleave(rounds, [{ name: 'unchanged', floor: again([]), pyflow: again(idle) }]).unchanged;
  stage.end();
  return [
    ratioFigure('flask, up to date; floor: without a remote cache', unchanged, 1.1),
    boundFigure('flask, up to date, connections', '', await ask('idle'), 0),
  ];
}

/** Without those that had nothing to fetch. */
const networkedNodesRun = ({ nodes }) =>
  Object.values(nodes).filter(
    ({ kind, outcome, layer, outputs }) =>
      /^(fetch|install)-/.test(kind) && outcome === 'executed' && (layer !== undefined || outputs?.tool),
  ).length;

async function measureGraphs({ urls, ask }, rounds) {
  const wideGraph = measureGraph('1000 independent nodes', { urls, rounds, nodes: wide(1000) });
  const before = await ask('round trip');
  const chainGraph = measureGraph(`chain of ${CHAIN}`, { urls, rounds, nodes: chain() });
  // What other processes do at the time makes the line longer, too.
  const roundTripMs = (before + (await ask('round trip'))) / 2;
  const chainBoundS = (CHAIN * (roundTripMs + OWN_MS_A_NODE)) / 1000;
  return [
    ...wideGraph.ratios,
    boundFigure('1000 independent nodes, at 20 ms', 's', wideGraph.farS, 3),
    ...chainGraph.ratios,
    boundFigure('round trip of the line', 'ms', roundTripMs),
    boundFigure(`chain of ${CHAIN}, at 20 ms`, 's', chainGraph.farS, chainBoundS),
  ];
}

function measureGraph(title, { urls, rounds, nodes }) {
  const stage = commandStage(nodes);
  stage.publish(urls.near);
  const local = stage.newMachine();
  stage.run(local);
  let apps = 0;
  // Another app restores them, because to the same one they are up to date.
  const fromLocal = () =>
    stage.run({ ...local, slug: stage.newMachine().slug }, [`--app-id=another-${(apps += 1)}`]).ms;
  const fromServer = (url) => () => {
    const { ms, report } = stage.run(stage.newMachine(), [`--remote=${url}`]);
    const { hits } = report.remote;
    if (hits !== Object.keys(nodes).length) throw new Error(`${title}: only ${hits} restored`);
    return ms;
  };
  const samples = interleave(
    rounds,
    Object.keys(DISTANCES).map((name) => ({ name, floor: fromLocal, pyflow: fromServer(urls[name]) })),
  );
  stage.end();
  return {
    ratios: Object.entries(DISTANCES).map(([name, where]) =>
      ratioFigure(`${title}, ${where}; floor: from the local cache`, samples[name]),
    ),
    farS: summarize(samples.far.pyflow).median / 1000,
  };
}

function measureBulk({ urls }, rounds) {
  const stage = commandStage({ bulk: bulk('bulk') });
  stage.publish(urls.near);
  const restore = (url) => () => stage.run(stage.newMachine(), [`--remote=${url}`]).ms;
  const step = { name: 'bulk', floor: restore(urls.near), pyflow: restore(urls.far) };
  const samples = interleave(rounds, [step]);
  stage.end();
  return [ratioFigure('50 MB at 20 ms; floor: loopback', samples.bulk, 3)];
}

/** What a broken server adds to a run without any. Readers find all of it on the server, writers nothing. */
function measureFaults({ urls }, rounds) {
  const sides = [
    { who: 'reader', faults: FAULTS_OF_READERS, options: [] },
    { who: 'writer', faults: FAULTS_OF_WRITERS, options: ['--remote-write'] },
  ];
  let mostNotices = 0;
  const figures = sides.flatMap(({ who, faults, options }) => {
    const stage = commandStage({ ...wide(50), bulk: bulk(who) });
    if (who === 'reader') stage.publish(urls.near);
    const broken = (fault) => () => {
      const { ms, notices } = stage.run(stage.newMachine(), [`--remote=${urls[fault]}`, ...options]);
      mostNotices = Math.max(mostNotices, notices.length);
      return ms;
    };
    const alone = () => stage.run(stage.newMachine()).ms;
    const samples = interleave(
      rounds,
      faults.map((fault) => ({ name: fault, floor: alone, pyflow: broken(fault) })),
    );
    stage.end();
    return faults.map((fault) => {
      const { floor, pyflow } = samples[fault];
      const addedS = (summarize(pyflow).median - summarize(floor).median) / 1000;
      return boundFigure(`server ${fault}, ${who}, added`, 's', addedS, MOST_ADDED_S);
    });
  });
  return [...figures, boundFigure('broken servers, most notices of a run', '', mostNotices, 1)];
}

function commandStage(nodes) {
  const stage = new Stage(({ app, slug, cache }) => [
    'run',
    join(stage.folder, 'pipeline.json'),
    `--app=${app}`,
    `--out=${slug}`,
    `--cache-dir=${cache}`,
    '--sandbox=none',
  ]);
  // Results of other groups and rounds must not be on the server.
  writeFileSync(join(stage.app, 'tag.txt'), `${stage.folder}\n`);
  const all = Object.fromEntries(
    Object.entries(nodes).map(([id, { needs = [], script, writes }]) => [
      id,
      {
        uses: 'command',
        after: needs,
        with: { argv: ['/bin/sh', '-c', script], reads: ['tag.txt', ...needs.map((need) => `${need}.out`)], writes },
      },
    ]),
  );
  writeFileSync(join(stage.folder, 'pipeline.json'), JSON.stringify({ pyflow: 1, name: 'commands', nodes: all }));
  return stage;
}

function wide(count) {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `n${index}`,
      { script: `echo ${index} > n${index}.out`, writes: [`n${index}.out`] },
    ]),
  );
}

function chain() {
  const link = (index) => {
    const needs = index === 0 ? [] : [`n${index - 1}`];
    const script = `cat tag.txt ${needs.map((need) => `${need}.out`).join(' ')} | wc -c > n${index}.out`;
    return [`n${index}`, { needs, script, writes: [`n${index}.out`] }];
  };
  return Object.fromEntries(Array.from({ length: CHAIN }, (_, index) => link(index)));
}

/** 500 files of 90 kB, and one of 5 MB. */
function bulk(name) {
  const small = `for i in $(seq 500); do yes "${name} $i" | head -c 90000 > bulk/$i; done`;
  return {
    script: `mkdir bulk; ${small}; yes "${name}" | head -c 5000000 > bulk/large`,
    writes: ['bulk/**'],
  };
}
