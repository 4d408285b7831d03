import { expect } from 'chai';
import * as fc from 'fast-check';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLineSplitter, MAX_LINE_LENGTH } from '../../../src/engine/files/line-splitter.js';
import { runTool, spawnCommand, type SpawnOptions } from '../../../src/engine/process/subprocess.js';
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

describe('subprocess', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-subprocess-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('spawnCommand', () => {
    it('streams the lines of both streams and gives the exit status as a value', async () => {
      const { result, lines } = shell('echo one; echo two >&2; printf last; exit 3');
      expect(await result).to.deep.equal({ ok: true, value: { exitCode: 3 } });
      expect(lines).to.have.members(['stdout: one', 'stderr: two', 'stdout: last']);
    });

    it('names the signal that ended a command', async () => {
      expect(await shell('kill -9 $$').result).to.deep.equal({ ok: true, value: { signal: 'SIGKILL' } });
    });

    it('gives the command the named environment and nothing of its own', async () => {
      const { result, lines } = shell('env', { env: { ...ENV, GIVEN: 'yes' } });
      await result;
      expect(lines).to.include('stdout: GIVEN=yes');
      expect(lines.some((line) => line.includes('HOME='))).to.equal(false);
    });

    it('runs in a process group of its own', async () => {
      const { result, lines } = shell('ps -o pgid= -p $$; echo $$');
      await result;
      expect(lines[0]?.replace(/ +/, ' ')).to.equal(lines[1]);
    });

    const startFailures: readonly [string, () => readonly [readonly string[], Partial<SpawnOptions>], string][] = [
      ['a program that is on no folder of PATH', () => [['no-such-program'], {}], 'command::not-found'],
      ['a path without a file', () => [['/no/such/program'], {}], 'command::not-found'],
      ['a working folder that is missing', () => [['sh'], { cwd: '/no/such/folder' }], 'command::cannot-start'],
      ['a file that is not executable', () => [[file('text', 0o644)], {}], 'command::not-executable'],
      ['a path through a file', () => [[`${file('text', 0o644)}/program`], {}], 'command::not-executable'],
      ['arguments that are too large', () => [['true', 'x'.repeat(4_000_000)], {}], 'command::arguments-too-large'],
      ['an argument with a NUL', () => [['true', 'a\0b'], {}], 'command::cannot-start'],
      ['no program at all', () => [[], {}], 'command::cannot-start'],
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

    it('starts nothing when it is aborted already', async () => {
      const result = await spawnCommand(['touch', join(folder, 'touched')], {
        cwd: folder,
        env: ENV,
        onLine: () => {},
        signals: [AbortSignal.abort()],
      });
      expect(result).to.have.nested.property('failure.code', 'run::aborted');
      expect(readdirSync(folder)).to.deep.equal([]);
    });

    it('lets the command end in order when aborted', async () => {
      const { result, lines } = shell('trap "echo tidied; exit 0" TERM; echo ready; while :; do sleep 0.01; done', {
        onText: (text, abort) => text === 'ready' && abort(),
      });
      expect(await result).to.have.nested.property('failure.code', 'run::aborted');
      expect(lines).to.include('stdout: tidied');
    });

    it('kills what does not heed TERM once the grace is over', async () => {
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

    it('ends what the command left behind in its group', async () => {
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

    it('hands an exception of the listener to its caller and leaves no process', async () => {
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

  describe('lines', () => {
    const split = (chunks: readonly Buffer[]): readonly string[] => {
      const lines: string[] = [];
      const splitter = createLineSplitter((text) => lines.push(text));
      for (const chunk of chunks) splitter.write(chunk);
      splitter.end();
      return lines;
    };
    const cases: readonly [string, string, readonly string[]][] = [
      ['keeps blank lines', 'a\n\nb\n', ['a', '', 'b']],
      ['hands on a last line without an end', 'a\nb', ['a', 'b']],
      ['takes \\r\\n for one end', 'a\r\n\r\nb\r\n', ['a', '', 'b']],
      ['shows every state of a progress bar', '\r10%\r20%\r\r100%\n', ['10%', '20%', '100%']],
    ];
    for (const [what, text, lines] of cases) {
      it(what, () => {
        expect(split([Buffer.from(text)])).to.deep.equal(lines);
        expect(split([...Buffer.from(text)].map((byte) => Buffer.from([byte])))).to.deep.equal(lines);
      });
    }

    it('replaces bytes that are no text', () => {
      expect(split([Buffer.from([0x61, 0xff, 0x62, 0x0a])])).to.deep.equal(['a\u{fffd}b']);
    });

    it('cuts an endless line into pieces and never through a character', () => {
      const text = `${'x'.repeat(MAX_LINE_LENGTH - 1)}😀${'y'.repeat(MAX_LINE_LENGTH)}`;
      const lines = split([Buffer.from(text)]);
      expect(lines.join('')).to.equal(text);
      expect(lines.map((line) => line.length)).to.deep.equal([MAX_LINE_LENGTH - 1, MAX_LINE_LENGTH, 2]);
      expect(split([Buffer.from(`${'x'.repeat(MAX_LINE_LENGTH)}\n`)])).to.have.length(1);
    });

    it('does not depend on how the bytes were cut into chunks', () => {
      const bytes = fc
        .array(fc.constantFrom('a', 'ü', '😀', '\n', '\r', '\r\n', 'line'), { maxLength: 40 })
        .map((parts) => Buffer.from(parts.join('')));
      fc.assert(
        fc.property(bytes, fc.array(fc.nat(60), { maxLength: 6 }), (whole, cuts) => {
          const edges = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
          const chunks = edges.slice(1).map((edge, index) => whole.subarray(edges[index], edge));
          expect(split(chunks)).to.deep.equal(split([whole]));
        }),
      );
    });
  });

  describe('runTool', () => {
    const options = { timeoutMs: 10_000, env: ENV };

    it('captures both streams and gives a bad exit status as a value', async () => {
      const result = await runTool('sh', ['-c', 'cat; echo bad >&2; exit 4'], { ...options, input: 'text\n' });
      expect(result).to.deep.equal({ ok: true, value: { exitCode: 4, stdout: 'text', stderr: 'bad' } });
    });

    it('names the signal that ended a command', async () => {
      const result = await runTool('sh', ['-c', 'kill -9 $$'], options);
      expect(result).to.deep.equal({ ok: true, value: { signal: 'SIGKILL', stdout: '', stderr: '' } });
    });

    it('gives the command the named environment and nothing of its own', async () => {
      const result = await runTool('sh', ['-c', 'echo "[$HOME]"'], options);
      expect(result).to.have.nested.property('value.stdout', '[]');
    });

    it('reports a missing program, a missing folder, too long a time and an abort', async () => {
      const codes = await Promise.all([
        runTool('no-such-program', [], options),
        runTool('true', [], { ...options, cwd: '/no/such/folder' }),
        runTool('sleep', ['100'], { ...options, timeoutMs: 20 }),
        runTool('sleep', ['100'], { ...options, signal: AbortSignal.abort() }),
        runTool('sleep', ['100'], { ...options, signal: AbortSignal.timeout(20) }),
      ]);
      expect(codes.map((result) => (result.ok ? 'ok' : result.failure.code))).to.deep.equal([
        'command::not-found',
        'command::cannot-start',
        'command::timed-out',
        'run::aborted',
        'run::aborted',
      ]);
    });
  });
});
