// Nodes that resist the end of a run, and checks of what a stopped run must do with them.

import { expect } from 'chai';
import { CliScene, commandLineOf, STACK_TRACE, type Ended, type RunningCli } from './cli-scene.js';
import { uniqueSleep } from './processes.js';

/** Scripts by how they react to a signal. Each prints READY once it runs. */
const STUBBORN: Readonly<Record<string, string>> = {
  sleeps: 'echo READY; exec sleep SLEEP',
  forks: 'for i in 1 2 3; do (sleep SLEEP; true) & done; echo READY; wait',
  deaf: "trap '' TERM INT HUP; echo READY; while :; do sleep SLEEP; done",
  leaves: 'setsid sleep SLEEP & echo READY; wait',
  daemon: '(setsid sh -c "trap \'\' TERM; sleep SLEEP; sleep SLEEP" >/dev/null 2>&1 &) ; echo READY; exec sleep SLEEP',
  busy: 'echo READY; while :; do :; done',
  // Reports the signal and keeps running.
  chatty: "trap 'echo HEARD' TERM; echo READY; while :; do sleep 0.05; done",
};

export interface Interruption {
  readonly signal: 'SIGINT' | 'SIGTERM';
  /** Which processes a Ctrl-C or a `kill` reaches. */
  readonly to: 'process' | 'group';
  readonly sandbox: 'none' | 'required';
  readonly nodes: readonly (keyof typeof STUBBORN)[];
  readonly withinMs: number;
  /** The same signal again, at once. */
  readonly twice?: boolean;
}

/** A run in which all of the nodes are running. */
async function startStubborn(
  scene: CliScene,
  { nodes, sandbox }: Pick<Interruption, 'nodes' | 'sandbox'>,
): Promise<RunningCli> {
  const lines = nodes.map((name) => {
    const script = STUBBORN[name]!.replaceAll('SLEEP', uniqueSleep());
    const command = {
      uses: 'command',
      env: { SCENE: scene.tag },
      with: { argv: ['sh', '-c', script] },
      after: ['quick'],
    };
    return `  ${name}: ${JSON.stringify(command)}\n`;
  });
  scene.pipeline(`${QUICK}${lines.join('')}`);
  const run = scene.start({ sandbox, args: [`--jobs=${nodes.length}`] });
  await Promise.all(
    nodes.map((name) =>
      run.until((event) => event.type === 'node-printed' && event.node === name && event.text === 'READY'),
    ),
  );
  return run;
}

const QUICK =
  'pyflow: 1\nname: stubborn\nnodes:\n  quick: { uses: command, with: { argv: [sh, -c, "echo quick > made"], writes: [made] } }\n';

/** Kills the run without time for an orderly end. */
export async function die({
  signal,
  ...what
}: Pick<Interruption, 'nodes' | 'sandbox'> & { readonly signal: 'SIGKILL' | 'SIGHUP' }): Promise<void> {
  const scene = new CliScene();
  try {
    const run = await startStubborn(scene, what);
    run.child.kill(signal);
    expect((await run.ended).signal).to.equal(signal);
    expect((await scene.survivors()).map(commandLineOf), what.sandbox).to.deep.equal([]);
    await expectValid(scene, what.sandbox, signal);
  } finally {
    scene.cleanUp();
  }
}

/** Starts the nodes, interrupts the run, and checks all that must hold afterwards. */
export async function interrupt(interruption: Interruption): Promise<void> {
  const { signal, to, sandbox, withinMs, twice = false } = interruption;
  const context = `${signal} to the ${to}, sandbox ${sandbox}${twice ? ', twice' : ''}`;
  const scene = new CliScene();
  try {
    const run = await startStubborn(scene, interruption);
    const startedAt = performance.now();
    const send = (): void => void process.kill(to === 'group' ? -run.pid : run.pid, signal);
    send();
    if (twice) {
      // Two signals at the same moment count as one, so the second must come after the first was handled.
      await run.untilPrinted('HEARD');
      send();
    }
    const ended = await run.ended;
    const tookMs = performance.now() - startedAt;
    expect(ended.status, context + ended.stdout + ended.stderr).to.equal(signal === 'SIGINT' ? 130 : 143);
    expect(ended.stderr, context).not.to.match(STACK_TRACE);
    expect(tookMs, context).to.be.lessThan(withinMs);
    expect((await scene.survivors(twice ? 1000 : 100)).map(commandLineOf), context).to.deep.equal([]);
    if (!twice) {
      expect(ended.report?.status, context).to.equal('aborted');
      expect(ended.report?.exitCode, context).to.equal(ended.status);
      expect(scene.leftovers(), context).to.deep.equal([]);
    }
    await expectValid(scene, sandbox, context);
  } finally {
    scene.cleanUp();
  }
}

/** Checks that finished results are kept, nothing else is, and that the next run works. */
async function expectValid(scene: CliScene, sandbox: 'none' | 'required', context: string): Promise<void> {
  const until = await scene.run({ sandbox, args: ['--until=quick'] });
  expect(outcome(until, 'quick'), context).to.be.oneOf(['restored', 'up-to-date']);
  scene.pipeline(QUICK);
  const next = await scene.run({ sandbox });
  expect(next.status, context + next.stdout).to.equal(0);
  expect(outcome(next, 'quick'), context).to.be.oneOf(['restored', 'up-to-date']);
  expect(scene.leftovers(), context).to.deep.equal([]);
}

const outcome = ({ report }: Ended, node: string): string | undefined => report?.nodes[node]?.outcome;
