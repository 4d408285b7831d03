import { expect } from 'chai';
import type { Event } from '../../../src/engine/events.js';
import { fail, succeed } from '../../../src/engine/failure.js';
import { digestOf } from '../../../src/engine/files/digest.js';
import {
  downloadService,
  NodeHandle,
  nodeLogService,
  subprocessService,
} from '../../../src/engine/node/node-handle.js';
import type { Exit } from '../../../src/engine/process/command.js';
import type { SandboxSession } from '../../../src/engine/process/sandbox/sandbox.js';
import type { RunContext } from '../../../src/engine/sdk.js';
import { KnownSecrets } from '../../../src/engine/secrets/known-secrets.js';
import type { Downloader } from '../../../src/engine/services/download.js';
import { idOf } from '../../support/checked-pipeline.js';
import { nodeContext } from '../../support/node-context.js';
import { toyFailure } from '../../support/toy-kinds.js';

type Command = Parameters<SandboxSession['run']>[0];

describe('engine/node/node-handle', () => {
  let events: Event[];
  let commands: Command[];
  beforeEach(() => {
    events = [];
    commands = [];
  });

  /** A node whose commands end so, after they printed these lines. */
  function handleOf(exit: Exit = { exitCode: 0 }, lines: readonly string[] = [], network = false): NodeHandle {
    const run: SandboxSession['run'] = async (command) => {
      commands.push(command);
      for (const line of lines) command.onLine('stdout', line);
      return succeed(exit);
    };
    const secrets = new KnownSecrets({
      declared: new Set(['TOKEN']),
      variables: { TOKEN: 'hunter2-hunter2' },
      ofOperator: {},
    });
    return new NodeHandle({
      node: idOf('n'),
      session: { run } as unknown as SandboxSession,
      network,
      sink: { emit: (event) => void events.push({ at: 0, ...event } as Event) },
      secrets,
    });
  }
  const contextOf = (handle: NodeHandle): RunContext => ({ ...nodeContext(null), handle });
  const printed = (): readonly string[] =>
    events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));

  describe('a command', () => {
    it('that a signal ended has the status that shells give it', async () => {
      for (const [signal, exitCode] of [
        ['SIGTERM', 143],
        ['SIGKILL', 137],
        ['SIGUSR1', 138],
        [undefined, 128],
      ] as const) {
        const handle = handleOf(signal === undefined ? {} : { signal });
        const ended = await subprocessService.run(contextOf(handle), { argv: ['x'] });
        expect([ended.ok && ended.value.exitCode, handle.lastStatus]).to.deep.equal([exitCode, exitCode]);
      }
    });

    it("that can't be started leaves the status of the last one", async () => {
      const failure = toyFailure();
      const handle = handleOf({ exitCode: 3 });
      await subprocessService.run(contextOf(handle), { argv: ['x'] });
      handle.session!.run = async () => fail(failure);
      expect(await subprocessService.run(contextOf(handle), { argv: ['x'] })).to.deep.equal({ ok: false, failure });
      expect(handle.lastStatus).to.equal(3);
    });

    it('has the network of its node, or what its plugin asks for', async () => {
      for (const [ofNode, asked, expected] of [
        [true, undefined, true],
        [true, false, false],
        [false, true, true],
      ] as const) {
        const handle = handleOf({ exitCode: 0 }, [], ofNode);
        await subprocessService.run(contextOf(handle), {
          argv: ['x'],
          ...(asked === undefined ? {} : { network: asked }),
        });
        expect(commands.at(-1)!.network).to.equal(expected);
      }
    });

    it('that looks for a host without a network is noticed', async () => {
      const line = 'curl: (6) Could not resolve host: example.org';
      for (const network of [false, true]) {
        const handle = handleOf({ exitCode: 6 }, [line], network);
        await subprocessService.run(contextOf(handle), { argv: ['x'] });
        expect(handle.lacksNetwork).to.equal(!network);
      }
    });

    it('gets the environment of its node, and what its plugin adds', async () => {
      const context = { ...contextOf(handleOf()), env: { A: '1', B: '1' } };
      await subprocessService.run(context, { argv: ['x'], env: { B: '2' }, cwd: 'sub' });
      await subprocessService.run(context, { argv: ['x'] });
      expect(commands.map(({ env, cwd }) => [env, cwd])).to.deep.equal([
        [{ A: '1', B: '2' }, 'sub'],
        [{ A: '1', B: '1' }, undefined],
      ]);
    });

    it('shows its plugin lines with secrets masked, and returns the last of them', async () => {
      const seen: string[] = [];
      const lines = Array.from({ length: 10 }, (_, index) => `${index} hunter2-hunter2`);
      const ended = await subprocessService.run(contextOf(handleOf({ exitCode: 0 }, lines)), {
        argv: ['x'],
        keepLines: 2,
        filter: (_, text) => {
          seen.push(text);
          return text.startsWith('9') ? `${text} hunter2-hunter2` : text;
        },
      });
      expect([...seen, ...printed()].filter((text) => text.includes('hunter2'))).to.deep.equal([]);
      expect(seen).to.have.length(10);
      expect(ended.ok && ended.value.lines.map((line) => line[0])).to.deep.equal(['8', '9']);
    });
  });

  it('prints what a plugin says, each kind in its stream', () => {
    const context = contextOf(handleOf());
    nodeLogService.step(context, 'a step');
    nodeLogService.info(context, 'a fact');
    nodeLogService.notice(context, 'toy::old', 'it is old');
    nodeLogService.printed(context, 'stderr', 'hunter2-hunter2');
    const told = events.flatMap((event) => (event.type === 'node-printed' ? [[event.stream, event.text]] : []));
    expect(told.slice(0, 3)).to.deep.equal([
      ['step', 'a step'],
      ['stdout', 'a fact'],
      ['notice', '[toy::old] it is old'],
    ]);
    expect(told[3]![1]).not.to.contain('hunter2');
  });

  it('keeps the first sixteen megabytes of a log, and shows all of it', () => {
    const handle = handleOf();
    for (let count = 0; count < 20; count++) handle.print('stdout', 'x'.repeat(1024 * 1024));
    expect([handle.log.length, printed().length]).to.deep.equal([16, 20]);
  });

  it('tells how far a download is', async () => {
    const asked: object[] = [];
    const downloader: Downloader = {
      fetchFile: async ({ url, sha256, sizeBytes, onProgress }: Parameters<Downloader['fetchFile']>[0]) => {
        asked.push({ url, sha256, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
        onProgress?.(5, 10);
        return succeed('/file');
      },
    } as unknown as Downloader;
    const download = downloadService(() => Promise.resolve(downloader));
    const context = contextOf(handleOf());
    const file = { url: 'https://example.org/x', sha256: digestOf('x').slice(0, 64) };
    await download.fetch(context, file);
    await download.fetch(context, { ...file, sizeBytes: 10 });
    expect(asked).to.deep.equal([file, { ...file, sizeBytes: 10 }]);
    expect(events.filter(({ type }) => type === 'node-progress')).to.have.length(2);
  });
});
