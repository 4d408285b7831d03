// Hands out job and pool tokens to nodes that are ready to run, longest critical path first.

interface Claim {
  /** A larger rank starts earlier. */
  readonly rank: number;
  readonly pool?: string;
}

interface Waiting extends Claim {
  readonly order: number;
  readonly admit: () => void;
}

/** A node that waits for a pool holds no job; a restored node needs no token. */
export class Admission {
  readonly #freePools: Map<string, number>;
  /** Sorted by rank, largest last, so that the usual admission removes the last one. */
  readonly #waiting: Waiting[] = [];
  #freeJobs: number;
  #arrivals = 0;

  constructor(jobs: number, pools: Readonly<Record<string, number>>) {
    this.#freeJobs = jobs;
    this.#freePools = new Map(Object.entries(pools));
  }

  /** Resolves when the claim is admitted. Call the result once when the work has ended. */
  async admit(claim: Claim): Promise<() => void> {
    await new Promise<void>((admit) => {
      this.#enqueue({ ...claim, order: this.#arrivals++, admit });
      this.#admitReady();
    });
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#freeJobs++;
      if (claim.pool !== undefined) this.#freePools.set(claim.pool, (this.#freePools.get(claim.pool) ?? 0) + 1);
      this.#admitReady();
    };
  }

  #enqueue(waiting: Waiting): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comesBefore(waiting, this.#waiting[middle]!)) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, waiting);
  }

  #admitReady(): void {
    for (let index = this.#waiting.length - 1; index >= 0 && this.#freeJobs > 0; index--) {
      const { pool, admit } = this.#waiting[index]!;
      const free = pool === undefined ? 1 : (this.#freePools.get(pool) ?? 1);
      if (free < 1) continue;
      if (pool !== undefined) this.#freePools.set(pool, free - 1);
      this.#freeJobs--;
      this.#waiting.splice(index, 1);
      admit();
    }
  }
}

const comesBefore = (a: Waiting, b: Waiting): boolean => a.rank > b.rank || (a.rank === b.rank && a.order < b.order);
