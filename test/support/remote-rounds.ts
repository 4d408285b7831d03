// Rounds of runs whose remote server dies or loses blobs. Real servers, kinds of the test.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import type { RemoteRequest } from '../../src/engine/request.js';
import type { CacheServer } from './servers/cache-server.js';
import { composeWith, outputs, schemaOf, TREE, type Toy } from './toy-kinds.js';
import { Workspace } from './workspace.js';

const NODES = 8;
const WORK_MS = 30;

/** Takes a while, and writes two files, one of them too large for a pack. */
const step: Toy = {
  manifest: {
    config: schemaOf({ name: { type: 'string' }, seed: { type: 'string' } }, 'name', 'seed'),
    inputs: schemaOf({ below: TREE }),
    outputs: schemaOf({ tree: TREE }),
    writes: ['${config.name}', '${config.name}.large'],
  },
  run: async ({ config: { name, seed } }, { appDir }) => {
    const { writeFile } = await import('node:fs/promises');
    await new Promise((resolve) => setTimeout(resolve, WORK_MS));
    await writeFile(`${appDir}/${String(name)}`, `${String(name)} of ${String(seed)}`);
    await writeFile(`${appDir}/${String(name)}.large`, `${String(seed)}${String(name).repeat(50_000)}`);
    return outputs({});
  },
};

/** A machine with an empty cache, for a chain of nodes and as many beside it. */
function machine(seed: string): Workspace {
  const line = (index: number): string => {
    const below = index === 0 || index >= NODES / 2 ? '' : `, inputs: { below: n${index - 1}.tree }`;
    return `  n${index}: { uses: step, with: { name: f${index}, seed: ${seed} }${below} }\n`;
  };
  const lines = Array.from({ length: NODES }, (_, index) => line(index));
  const work = new Workspace().pipeline(`pyflow: 1\nnodes:\n${lines.join('')}`);
  work.compose = composeWith(work.compose, { step });
  return work;
}

const remote = (server: CacheServer): RemoteRequest => ({ url: server.url, write: true, execute: false, env: {} });

async function using<T>(seed: string, use: (work: Workspace) => Promise<T>): Promise<T> {
  const work = machine(seed);
  try {
    return await use(work);
  } finally {
    work.cleanUp();
  }
}

const expectSame = (report: RunReport, slug: string | undefined, round: string): void => {
  const failures = Object.values(report.nodes).flatMap(({ failure }) => failure ?? []);
  expect(report.status, `${round}: ${JSON.stringify(failures)}`).to.equal('succeeded');
  expect(report.slug?.digest, round).to.equal(slug);
};

/** Kills the server at a random moment of each run, and starts it again for the next. */
export async function killServer(server: CacheServer, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const seed = `kill${round}`;
    const honest = await using(seed, (work) => work.run(round % 2 === 0 ? { remote: remote(server) } : {}));
    await using(seed, async (work) => {
      const running = work.run({ remote: remote(server) });
      const moment = Math.random() * (honest.durationMs + 100);
      await new Promise((resolve) => setTimeout(resolve, moment));
      await server.kill();
      expectSame(await running, honest.slug?.digest, `round ${round}, killed after ${Math.round(moment)} ms`);
      await server.resume();
    });
    expectSame(
      await using(seed, (work) => work.run({ remote: remote(server) })),
      honest.slug?.digest,
      `round ${round}, afterwards`,
    );
  }
}

/** Deletes half of the server's blobs at a random moment of each run. */
export async function loseBlobs(server: CacheServer, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const seed = `lose${round}`;
    const honest = await using(seed, (work) => work.run({ remote: remote(server) }));
    await using(seed, async (work) => {
      const running = work.run({ remote: remote(server) });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      deleteHalf(server.folder);
      expectSame(await running, honest.slug?.digest, `round ${round}`);
      const losses = work.events.filter((event) => event.type === 'notice' && event.code === 'cache::lost');
      expect(losses.length, `round ${round}`).to.be.at.most(2);
    });
  }
}

function deleteHalf(folder: string): void {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of files) {
    // The folders are called `cas` and `cas.v2`.
    if (/\/cas(\.v\d)?(\/|$)/.test(parentPath) && Math.random() < 0.5) rmSync(join(parentPath, name), { force: true });
  }
}
