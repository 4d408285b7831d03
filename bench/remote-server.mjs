// A real server of the Remote Execution API for the group `remote`, and ways to reach it: directly, over a line that adds 20 ms to
// a round trip, and over broken ones. A program of its own, because the bench blocks while it measures. node --import tsx

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import process from 'node:process';
import { Casd } from '../test/support/casd.ts';
import { FaultProxy } from '../test/support/fault-proxy.ts';

const ROUND_TRIP_MS = 20;
const FAULTS = {
  'accepts only': { kind: 'accept-only' },
  'stalls at once': { kind: 'stall', afterBytes: 300 },
  'stalls after 10 kB': { kind: 'stall', afterBytes: 1e4 },
  'stalls after 60 kB': { kind: 'stall', afterBytes: 6e4 },
  'stalls after 10 MB': { kind: 'stall', afterBytes: 1e7 },
  'resets at once': { kind: 'reset', afterBytes: 300 },
  'resets after 60 kB': { kind: 'reset', afterBytes: 6e4 },
  'resets after 10 MB': { kind: 'reset', afterBytes: 1e7 },
  'closes half after 10 MB': { kind: 'half-close', afterBytes: 1e7 },
  'one byte a second after 10 MB': { kind: 'trickle', afterBytes: 1e7 },
};

const casd = await Casd.start();
process.once('disconnect', () => void casd.stop().finally(() => process.exit()));
const proxies = { far: await open({ delayMs: ROUND_TRIP_MS / 2 }), idle: await open({}), dead: await open({}) };
for (const [name, fault] of Object.entries(FAULTS)) proxies[name] = await open({ fault });
await proxies.dead.refuse();

const urls = Object.fromEntries(Object.entries(proxies).map(([name, { url }]) => [name, url]));
process.send({ urls: { near: casd.url, ...urls } });
process.on('message', async (what) =>
  process.send(what === 'round trip' ? await roundTrip() : proxies[what].connections),
);

async function open({ delayMs = 0, fault = { kind: 'none' } }) {
  return Object.assign(await FaultProxy.start(casd.address), { delayMs, fault });
}

/** Median time in which a byte comes back over a line like `far`, in milliseconds: the timers of the machine make it longer. */
async function roundTrip() {
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const proxy = await FaultProxy.start({ host: '127.0.0.1', port: echo.address().port });
  proxy.delayMs = ROUND_TRIP_MS / 2;
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(proxy.url).port) });
  socket.setNoDelay(true).on('error', () => undefined);
  const times = [];
  for (let count = 0; count < 50; count += 1) {
    const since = performance.now();
    socket.write('x');
    await once(socket, 'data');
    times.push(performance.now() - since);
  }
  await proxy.stop();
  echo.close();
  return times.sort((a, b) => a - b)[times.length >> 1];
}
