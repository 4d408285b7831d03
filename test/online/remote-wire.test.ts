// Remote execution by a real server, buildbox-casd, and pyflow's messages against the reference runtime.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, sizeOf, type Digest } from '../../src/engine/files/digest.js';
import { Connection } from '../../src/engine/remote/connection.js';
import { openGrpc } from '../../src/engine/remote/grpc-transport.js';
import * as messages from '../../src/engine/remote/messages.js';
import { readRemoteSettings } from '../../src/engine/remote/settings.js';
import { STATUS, type ExecutionUpdate, type RemoteTransport } from '../../src/engine/remote/transport.js';
import type { FieldShape, MessageType } from '../../src/engine/trees/message-type.js';
import { decodeActionResult, encodeActionResult, ExecutedActionMetadata } from '../../src/engine/trees/reapi-result.js';
import { encodeAction, encodeCommand, encodeDirectory } from '../../src/engine/trees/reapi.js';
import { limits, put, transportTo } from '../servers/remote-transport.js';
import { bring, Casd, needCasd } from '../support/casd.js';
import { anyMessage, withNested } from '../support/message-values.js';

const MIB = 1024 * 1024;

describe('remote execution, against buildbox-casd', () => {
  let casd: Casd;
  let transport: RemoteTransport;
  before(async function () {
    needCasd(this);
    casd = await Casd.start({ execution: { jobs: 2 } });
    transport = await transportTo(casd.url);
  });
  after(async () => {
    transport?.close();
    await casd?.stop();
  });

  /** Uploads an action that runs a shell script in an empty folder, except for what `leaveOut` names. */
  const shellAction = async (script: string, leaveOut?: 'command'): Promise<Digest> => {
    const root = encodeDirectory({ files: [], directories: [], symlinks: [] });
    const command = encodeCommand({
      arguments: ['/bin/sh', '-c', script],
      environment: [{ name: 'PATH', value: '/usr/bin:/bin' }],
      outputPaths: ['out'],
    });
    const action = encodeAction({ command: digestOf(command), inputRoot: digestOf(root) });
    const needed = [root, action, ...(leaveOut === 'command' ? [] : [command])];
    await put(transport, new Map(needed.map((bytes) => [digestOf(bytes), bytes])));
    return digestOf(action);
  };
  const lastOf = async (updates: AsyncIterable<ExecutionUpdate>): Promise<ExecutionUpdate | undefined> => {
    let last: ExecutionUpdate | undefined;
    for await (const update of updates) last = update;
    return last;
  };

  it('runs a command and finds what it wrote', async () => {
    expect(await transport.capabilities(limits())).to.include({ executes: true });
    const action = await shellAction('mkdir out && echo hello > out/file && echo said');
    const last = await lastOf(transport.execute({ action, inlineOutputFiles: ['out/file'] }, limits()));
    expect(last?.outcome?.error).to.equal(undefined);
    const result = decodeActionResult(last!.outcome!.result!)!;
    expect(result.exitCode).to.equal(0);
    expect(result.outputDirectories.map(({ path }) => path)).to.deep.equal(['out']);
    const again = await lastOf(transport.execute({ action }, limits()));
    expect(again?.outcome?.isCached).to.equal(true);
  });

  it('keeps the connection while an action takes long', async () => {
    // The server ends a connection after a few pings, unless it had something to send in between.
    const open = () => openGrpc({ url: casd.url, version: 'test', keepaliveMs: 1000 });
    const settings = await readRemoteSettings({ url: casd.url, write: false, execute: true, env: {} }, {});
    if (!settings.ok) throw new Error(settings.failure.detail);
    const { signal } = new AbortController();
    const connection = new Connection({ settings: settings.value, open, signal, onOff: () => undefined });
    try {
      const action = await shellAction('sleep 8');
      const last = await connection.stream('read', 60_000, ({ transport: testing, ...calling }) =>
        lastOf(testing.execute({ action }, calling)),
      );
      if (!last.ok) throw last.failure;
      expect(decodeActionResult(last.value!.outcome!.result!)?.exitCode).to.equal(0);
      expect(connection.counters.calls, 'the capabilities and the execution').to.equal(2);
    } finally {
      connection.close();
    }
  }).timeout(60_000);

  it('tells a failed command from an action that could not run', async () => {
    const failed = await lastOf(transport.execute({ action: await shellAction('exit 3') }, limits()));
    expect(decodeActionResult(failed!.outcome!.result!)?.exitCode).to.equal(3);
    const incomplete = await shellAction('echo never uploaded', 'command');
    const outcome = (await lastOf(transport.execute({ action: incomplete }, limits())))?.outcome;
    expect(outcome?.error?.status).to.be.oneOf([STATUS.NOT_FOUND, STATUS.FAILED_PRECONDITION]);
  });
});

describe('the messages of remote caches, against the reference runtime', () => {
  before(function () {
    needCasd(this);
  });

  it('are the same bytes, for every type', () => {
    const metadata = ExecutedActionMetadata as MessageType<unknown>;
    const types = withNested([
      ...(Object.values(messages) as unknown[]).filter(isType),
      metadata,
    ] as MessageType<unknown>[]);
    const numbers = fc.oneof(fc.integer(), fc.integer({ min: -1, max: 130 }));
    const anyMetadata = anyMessage(metadata, () => fc.constant(Buffer.alloc(0)), numbers);
    const embedded = (name: string): fc.Arbitrary<Buffer> =>
      name === metadata.name
        ? anyMetadata.map((value) => metadata.encode(value as never))
        : fc.record({ exitCode: fc.integer(), metadata: anyMetadata }).map(({ exitCode, metadata: about }) =>
            encodeActionResult({
              outputFiles: [],
              outputDirectories: [],
              outputSymlinks: [],
              exitCode,
              metadata: about,
            }),
          );
    const samples = types.flatMap((type) =>
      fc.sample(anyMessage(type, embedded, numbers), 40).map((value) => ({ type, value })),
    );
    samples.forEach(({ value }) => fitDefinitions(value));
    const lines = samples.map(({ type, value }) => JSON.stringify([type.name, plainMessage(type, value)]));
    const encoded = referenceEncodings(lines);
    expect(encoded).to.have.length(samples.length);
    for (const [index, { type, value }] of samples.entries()) {
      expect(type.encode(value as never).toString('base64'), lines[index]).to.equal(encoded[index]);
    }
  });
});

/** Drops a field that is newer than the definitions in the wheel, and what an operation can have only one of. */
function fitDefinitions(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const fields = value as Record<string, unknown>;
  delete fields['maxCasBlobSizeBytes'];
  if (fields['response'] !== undefined) delete fields['error'];
  Object.values(fields).forEach(fitDefinitions);
}

const isType = (value: unknown): boolean => typeof value === 'object';

/** As test/support/protobuf-oracle.py reads it. */
function plainMessage(type: MessageType<unknown>, value: Readonly<Record<string, unknown>>): unknown {
  const plain = (shape: FieldShape, item: unknown): unknown => {
    if (shape.is === 'digest') return { hash: (item as Digest).slice(0, 64), sizeBytes: sizeOf(item as Digest) };
    if (shape.is === 'message') return plainMessage(shape.type, item as Record<string, unknown>);
    if (shape.is === 'bytes' || shape.is === 'embedded') return (item as Buffer).toString('base64');
    if (shape.is === 'list') return (item as unknown[]).map((each) => plain(shape.item, each));
    return item;
  };
  return Object.fromEntries(
    Object.entries(type.fields)
      .filter(([name]) => value[name] !== undefined)
      .map(([name, [, { shape }]]) => [name, plain(shape, value[name])]),
  );
}

function referenceEncodings(lines: readonly string[]): readonly string[] {
  const script = fileURLToPath(new URL('../support/protobuf-oracle.py', import.meta.url));
  const printed = execFileSync('python3', [script], {
    input: `${lines.join('\n')}\n`,
    env: { PATH: process.env['PATH'], PYTHONPATH: bring('buildbox', 'protobuf').join(':') },
    encoding: 'utf8',
    maxBuffer: 64 * MIB,
  });
  return printed.trimEnd().split('\n');
}
