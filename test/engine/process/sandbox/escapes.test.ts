import { expect } from 'chai';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findProgram } from '../../../../src/engine/process/sandbox/probe.js';
import { hasNamespaces } from '../../../support/namespaces.js';
import type { EscapeTrial } from '../../../support/escape-trial.js';
import { processesWith, uniqueSleep } from '../../../support/processes.js';
import { skipBecause } from '../../../support/skip.js';

const PROGRAM = resolve('test/fixtures/escapes/attempts.py');
/** Fewer attempts mean that the list was not completed. */
const FEWEST_ATTEMPTS = 110;
const FEWEST_WITH_NETWORK = 105;
const NOBODY = 65534;
const searchPath = (process.env['PATH'] ?? '').split(':');

interface Outside {
  readonly pid: number;
  readonly sleep: string;
  readonly sleeper: string;
  readonly victim: string;
  readonly shm: string;
  readonly socket: string;
  readonly abstract: string;
  readonly port: number;
  readonly udp: number;
  readonly addresses: readonly string[];
}

describe('escapes from the sandbox', function () {
  this.timeout(120_000);
  const root = mkdtempSync(join(tmpdir(), 'pyflow-escapes-'));
  const servers: Server[] = [];
  let datagrams: Socket;
  let sleeping: ChildProcess;
  let outside: Outside;
  const isReady = hasNamespaces();

  before(async function () {
    if (!(await isReady) || !existsSync('/usr/bin/python3')) skipBecause(this, 'needs namespaces and /usr/bin/python3');
    const serve = async (where: string | { readonly port: number; readonly host: string }): Promise<number> => {
      const server = createServer((socket) => socket.on('error', () => {}).end('hello')).unref();
      servers.push(server);
      await new Promise<void>((listening, failed) => {
        server.once('error', failed);
        if (typeof where === 'string') server.listen(where, listening);
        else server.listen(where.port, where.host, listening);
      });
      return typeof where === 'string' ? 0 : (server.address() as AddressInfo).port;
    };
    const sleep = uniqueSleep();
    const victim = join(root, 'victim');
    const socket = join(root, 'socket');
    const abstract = `pyflow-escapes-${process.pid}`;
    writeFileSync(victim, 'untouched');
    const shm = `pyflow-escapes-${process.pid}`;
    writeFileSync(`/dev/shm/${shm}`, 'untouched');
    const port = await serve({ port: 0, host: '::' });
    await serve(socket);
    await serve(`\0${abstract}`);
    datagrams = createSocket('udp6', (_message, from) => datagrams.send('hello', from.port, from.address)).unref();
    await new Promise<void>((listening) => datagrams.bind(0, '::', listening));
    sleeping = spawn('sleep', [sleep], { stdio: 'ignore' });
    outside = {
      pid: sleeping.pid!,
      sleep,
      sleeper: uniqueSleep(),
      victim,
      shm,
      socket,
      abstract,
      port,
      udp: datagrams.address().port,
      addresses: Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
    };
  });

  after(() => {
    for (const server of servers) server.close();
    datagrams?.close();
    sleeping?.kill('SIGKILL');
    if (outside !== undefined) rmSync(`/dev/shm/${outside.shm}`, { force: true });
    rmSync(root, { recursive: true, force: true });
  });

  /** Which attempts succeeded, and how many were made; run by a process that has inherited open descriptors. */
  function tryAll(uid: number | undefined, network: boolean): { readonly tried: number; readonly succeeded: string[] } {
    const folder = mkdtempSync(join(root, 'case-'));
    if (uid !== undefined) {
      chownSync(root, uid, uid);
      chownSync(folder, uid, uid);
    }
    const trial: EscapeTrial = { folder, program: PROGRAM, network, outside };
    const node = [process.execPath, '--import', 'tsx', resolve('test/support/escape-trial.ts'), JSON.stringify(trial)];
    const ids = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
    const script = 'exec 9>>"$0.open" 8<"$0" 15<"$(dirname "$0")"; exec "$@"';
    const ran = spawnSync('bash', ['-c', script, outside.victim, ...ids, ...node], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
    });
    expect(ran.status, ran.stderr).to.equal(0);
    const { lines, why } = JSON.parse(ran.stdout) as { readonly lines: readonly string[]; readonly why?: string };
    expect(processesWith(outside.sleeper)).to.deep.equal([]);
    expect(readFileSync(outside.victim, 'utf8')).to.equal('untouched');
    expect(readFileSync(`${outside.victim}.open`, 'utf8')).to.equal('');
    const verdicts = lines.filter((line) => /^\w+: (?:refused|succeeded)/.test(line));
    console.log(
      `      ${verdicts.length} attempts${why === undefined ? '' : `, with the network of the machine: ${why}`}`,
    );
    expect(lines.filter((line) => !verdicts.includes(line))).to.deep.equal([]);
    return { tried: verdicts.length, succeeded: verdicts.filter((line) => !/^\w+: refused/.test(line)) };
  }

  const users =
    process.getuid?.() === 0
      ? ([
          ['root', undefined],
          [`uid ${NOBODY}`, NOBODY],
        ] as const)
      : ([['the caller', undefined]] as const);
  for (const [user, uid] of users) {
    for (const network of [false, true]) {
      it(`all fail as ${user} ${network ? 'with' : 'without'} a network`, function () {
        if (uid !== undefined && findProgram('setpriv', searchPath) === undefined) skipBecause(this, 'needs setpriv');
        const { tried, succeeded } = tryAll(uid, network);
        expect(succeeded).to.deep.equal([]);
        expect(tried).to.be.at.least(network ? FEWEST_WITH_NETWORK : FEWEST_ATTEMPTS);
      });
    }
  }
});
