import { expect } from 'chai';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnCommand, type SpawnOptions } from '../../../src/engine/process/command.js';
import { processesWith, uniqueSleep } from '../../support/processes.js';

const ENV = { PATH: '/usr/bin:/bin' };

/** Runs `sh -c script`, recording its lines; `onLine` may abort. */
function shell(
  script: string,
  more: Partial<SpawnOptions> & { onText?: (text: string, abort: () => void) => void } = {},
) {
  const lines: string[] = [];
  const controller = new AbortController();
  const result = spawnCommand(['sh', '-c', script], {
    cwd: '/',
    env: ENV,
    signals: [controller.signal],
    onLine: (stream, text) => {
      lines.push(`${stream}: ${text}`);
      more.onText?.(text, () => controller.abort());
    },
    ...more,
  });
  return { result, lines };
}

describe('engine/process/command', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-subprocess-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('streams the lines of both streams and returns the exit status as a value', async () => {
    const { result, lines } = shell('echo one; echo two >&2; printf last; exit 3');
    expect(await result).to.deep.equal({ ok: true, value: { exitCode: 3 } });
    expect(lines).to.have.members(['stdout: one', 'stderr: two', 'stdout: last']);
  });

  it('names the signal that ended a command', async () => {
    expect(await shell('kill -9 $$').result).to.deep.equal({ ok: true, value: { signal: 'SIGKILL' } });
  });

  it('gives the command the named environment and nothing else', async () => {
    const { result, lines } = shell('env', { env: { ...ENV, GIVEN: 'yes' } });
    await result;
    expect(lines).to.include('stdout: GIVEN=yes');
    expect(lines.some((line) => line.includes('HOME='))).to.equal(false);
  });

  it('runs in its own process group', async () => {
    const { result, lines } = shell('ps -o pgid= -p $$; echo $$');
    await result;
    expect(lines[0]?.replace(/ +/, ' ')).to.equal(lines[1]);
  });

  const startFailures: readonly [string, () => readonly [readonly string[], Partial<SpawnOptions>], string][] = [
    ['a program that is in no folder of PATH', () => [['no-such-program'], {}], 'command::not-found'],
    ['a path without a file', () => [['/no/such/program'], {}], 'command::not-found'],
    ['a missing working folder', () => [['sh'], { cwd: '/no/such/folder' }], 'command::cannot-start'],
    ['a file that is not executable', () => [[file('text', 0o644)], {}], 'command::not-executable'],
    ['a path through a file', () => [[`${file('text', 0o644)}/program`], {}], 'command::not-executable'],
    ['arguments that are too large', () => [['true', 'x'.repeat(4_000_000)], {}], 'command::arguments-too-large'],
    ['an argument with a NUL', () => [['true', 'a\0b'], {}], 'command::cannot-start'],
    ['an empty command', () => [[], {}], 'command::cannot-start'],
  ];
  const file = (content: string, mode: number): string => {
    const path = join(folder, 'file');
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };
  for (const [what, make, code] of startFailures) {
    it(`reports ${what} as ${code}`, async () => {
      const [argv, more] = make();
      const result = await spawnCommand(argv, {
        cwd: folder,
        env: ENV,
        onLine: () => {},
        signals: [new AbortController().signal],
        ...more,
      });
      expect(result).to.have.nested.property('failure.code', code);
    });
  }

  it('starts nothing when already aborted', async () => {
    const result = await spawnCommand(['touch', join(folder, 'touched')], {
      cwd: folder,
      env: ENV,
      onLine: () => {},
      signals: [AbortSignal.abort()],
    });
    expect(result).to.have.nested.property('failure.code', 'run::aborted');
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('lets an aborted command end in an orderly way', async () => {
    const { result, lines } = shell('trap "echo tidied; exit 0" TERM; echo ready; while :; do sleep 0.01; done', {
      onText: (text, abort) => text === 'ready' && abort(),
    });
    expect(await result).to.have.nested.property('failure.code', 'run::aborted');
    expect(lines).to.include('stdout: tidied');
  });

  it('kills a command that ignores TERM when the grace period is over', async () => {
    const seconds = uniqueSleep();
    const { result } = shell(`trap "" TERM; echo ready; sleep ${seconds}; sleep ${seconds}`, {
      graceMs: 50,
      onText: (text, abort) => text === 'ready' && abort(),
    });
    expect(await result).to.have.nested.property('failure.code', 'run::aborted');
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('finds a process that left the group by its marker when aborted', async () => {
    const seconds = uniqueSleep();
    const script = `setsid sh -c 'trap "" TERM; echo ready; sleep ${seconds}; :' & sleep ${seconds}`;
    const { result } = shell(script, {
      marker: `test-${seconds}`,
      graceMs: 50,
      onText: (text, abort) => text === 'ready' && abort(),
    });
    expect(await result).to.have.nested.property('failure.code', 'run::aborted');
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('finds a process that left the group and closed its streams', async () => {
    const seconds = uniqueSleep();
    const script = `setsid sleep ${seconds} >/dev/null 2>&1 & echo ready; wait`;
    const { result } = shell(script, {
      marker: `test-${seconds}`,
      onText: (text, abort) => text === 'ready' && abort(),
    });
    expect(await result).to.have.nested.property('failure.code', 'run::aborted');
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('ends processes that the command left in its group', async () => {
    const seconds = uniqueSleep();
    expect(await shell(`sleep ${seconds} & exit 0`).result).to.deep.equal({ ok: true, value: { exitCode: 0 } });
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('does not wait for a process that left the group and holds the streams open', async () => {
    const seconds = uniqueSleep();
    const { result } = shell(`setsid sleep ${seconds} & exit 0`, { marker: `test-${seconds}` });
    expect(await result).to.deep.equal({ ok: true, value: { exitCode: 0 } });
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('passes an exception of the listener to its caller and leaves no process', async () => {
    const seconds = uniqueSleep();
    const { result } = shell(`echo ready; sleep ${seconds}`, {
      onText: () => {
        throw new Error('listener broke');
      },
    });
    const thrown = await result.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).to.have.property('message', 'listener broke');
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    await shell('exit 0', { signals: [signal] }).result;
    expect(listeners).to.equal(0);
  });
});
