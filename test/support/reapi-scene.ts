// Machines that share a remote server in memory: for tests of one suite, with a new server for each test.

import type { RemoteRequest } from '../../src/engine/request.js';
import { MemoryReapi } from './memory-reapi.js';
import { composeWith, type Toy } from './toy-kinds.js';
import { Workspace } from './workspace.js';

/** Call it in a suite. */
export class ReapiScene {
  #server: MemoryReapi | undefined;
  readonly #open: Workspace[] = [];

  constructor() {
    beforeEach(async () => {
      this.#server = await MemoryReapi.start();
    });
    afterEach(() => {
      this.server.stop();
      for (const work of this.#open.splice(0)) work.cleanUp();
    });
  }

  get server(): MemoryReapi {
    return this.#server!;
  }

  /** A machine with an empty cache. */
  machine(pipeline: string, kinds: Readonly<Record<string, Toy>>): Workspace {
    const work = new Workspace().pipeline(pipeline);
    work.compose = composeWith(work.compose, kinds);
    this.#open.push(work);
    return work;
  }

  /** Reads unless `more` says otherwise. */
  remote(more: Partial<RemoteRequest> = {}): { readonly remote: RemoteRequest } {
    return { remote: { url: this.server.url, write: false, execute: false, env: {}, ...more } };
  }
}

export const noticesOf = (work: Workspace): readonly string[] =>
  work.events.flatMap((event) => (event.type === 'notice' ? [event.code] : []));
