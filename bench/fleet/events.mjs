// The event loop of a discrete-event simulation, its queues and its random numbers. Times are in seconds.

/** Events by time; those of one time in the order in which they were added. A binary heap. */
class EventQueue {
  #heap = [];
  #added = 0;

  get size() {
    return this.#heap.length;
  }

  add(time, act) {
    const heap = this.#heap;
    const event = { time, order: this.#added++, act };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  take() {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child += 1;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const isBefore = (one, other) => one.time < other.time || (one.time === other.time && one.order < other.order);

/**
 * Runs processes. A process is a generator that yields what it waits for: a function that takes `resume` and calls it, at some
 * later time, when the wait is over.
 */
export class Simulation {
  now = 0;
  #events = new EventQueue();

  at(time, act) {
    this.#events.add(time, act);
  }

  start(process, whenDone) {
    const resume = () => {
      const { done, value } = process.next();
      if (!done) value(resume);
      else whenDone?.();
    };
    resume();
  }

  wait(seconds) {
    return (resume) => this.at(this.now + seconds, resume);
  }

  /** Waits for all of these processes, of which at most `limit` run at once. */
  all(processes, limit) {
    return (resume) => {
      let next = 0;
      let left = processes.length;
      const more = () => {
        if (left === 0) resume();
        else if (next < processes.length) this.start(processes[next++], done);
      };
      const done = () => {
        left -= 1;
        more();
      };
      if (left === 0) this.at(this.now, resume);
      for (let begun = Math.min(limit, left); begun > 0; begun -= 1) this.start(processes[next++], done);
    };
  }

  run() {
    while (this.#events.size > 0) {
      const { time, act } = this.#events.take();
      this.now = time;
      act();
    }
  }
}

/** `capacity` servers with one queue, first come, first served. */
export class Resource {
  #simulation;
  #queue = [];
  #head = 0;
  #busy = 0;
  #busySeconds = 0;
  #changedAt = 0;

  constructor(simulation, capacity) {
    this.#simulation = simulation;
    this.capacity = capacity;
  }

  /** How many wait or are served. */
  get load() {
    return this.#busy + this.#queue.length - this.#head;
  }

  /** Holds one server until `release`. */
  acquire() {
    return (resume) => {
      if (this.#busy === this.capacity) {
        this.#queue.push(resume);
        return;
      }
      this.#count();
      this.#busy += 1;
      resume();
    };
  }

  release() {
    if (this.#head < this.#queue.length) {
      const resume = this.#queue[this.#head];
      this.#queue[this.#head++] = undefined;
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      // Through the event queue, so that a long queue is no deep recursion.
      this.#simulation.at(this.#simulation.now, resume);
      return;
    }
    this.#count();
    this.#busy -= 1;
  }

  /** Waits for a server and then for the service. */
  use(seconds) {
    return (resume) =>
      this.acquire()(() => {
        this.#simulation.at(this.#simulation.now + seconds, () => {
          this.release();
          resume();
        });
      });
  }

  /** Mean share of the servers that was busy between two times, for a resource that began idle at the first. */
  utilization(seconds) {
    this.#count();
    return this.#busySeconds / (seconds * this.capacity);
  }

  /** Seconds of service so far, of all servers. */
  get busySeconds() {
    this.#count();
    return this.#busySeconds;
  }

  #count() {
    this.#busySeconds += this.#busy * (this.#simulation.now - this.#changedAt);
    this.#changedAt = this.#simulation.now;
  }
}

/** Random numbers from a seed: mulberry32, good enough for sampling, the same on every machine. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, but without, 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(count) {
    return Math.floor(this.next() * count);
  }

  isTrue(probability) {
    return this.next() < probability;
  }

  exponential(mean) {
    return -mean * Math.log(1 - this.next());
  }

  /** With this median; `spread` is the standard deviation of the logarithm. */
  logNormal(median, spread) {
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
    return median * Math.exp(spread * normal);
  }
}

/** Ranks from 0, of which rank r has a probability in proportion to 1 / (r + 1) ^ exponent. */
export class Zipf {
  #upTo;

  constructor(count, exponent) {
    let sum = 0;
    this.#upTo = Float64Array.from({ length: count }, (_, rank) => (sum += (rank + 1) ** -exponent));
  }

  sample(random) {
    const upTo = this.#upTo;
    const wanted = random.next() * upTo[upTo.length - 1];
    let low = 0;
    let high = upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle] > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  probability(rank) {
    const upTo = this.#upTo;
    return (upTo[rank] - (rank === 0 ? 0 : upTo[rank - 1])) / upTo[upTo.length - 1];
  }
}
