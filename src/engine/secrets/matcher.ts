// Finds secrets in a stream of bytes, in all their spellings and however the stream is cut. It is an automaton like
// Aho-Corasick, with a choice of spellings for each character, that is made deterministic on demand.

import { base64Cores, hexPairs, Spellings, type Form, type SpellingNode } from './spellings.js';

/** A value to search for; `secret` is the caller's own number. */
export interface Needle {
  readonly secret: number;
  readonly value: string;
}

export interface Span {
  readonly start: number;
  readonly end: number;
  readonly form: Form;
}

/** A state of the automaton; pass it to the next call to continue with the next bytes. */
export interface Progress {
  readonly items: readonly number[];
  /** How many characters of a needle the bytes so far end with. */
  readonly depth: number;
}

/** With more states, all are dropped, so that hostile bytes can't fill the memory. */
const MAX_STATES = 4096;
const UNKNOWN = -1;
/** After this many steps of locating secrets the whole text is hidden: a text made of beginnings of secrets takes long. */
const MAX_WORK = 400_000;

interface Step {
  readonly start: SpellingNode;
  readonly gap: SpellingNode;
  /** Index of its character. */
  readonly at: number;
  readonly isLast: boolean;
  readonly secret: number;
  readonly form: Form;
}

interface State {
  readonly items: readonly number[];
  readonly depth: number;
  /** Secrets that end here. */
  readonly hits: readonly number[];
}

export const START: Progress = { items: [], depth: 0 };

export class Matcher {
  readonly #spellings = new Spellings();
  readonly #steps: Step[] = [];
  /** By the first byte of a needle. */
  readonly #roots = new Map<number, number[]>();
  /** Number of nodes: an item combines a step and a node in one number. */
  #width = 0;
  #rows = new Int32Array(256 * 64);
  #states: State[] = [];
  #ids = new Map<string, number>();

  constructor(needles: readonly Needle[]) {
    for (const { secret, value } of needles) {
      this.#addNeedle(secret, [...value], 'text');
      this.#addNeedle(secret, hexPairs(value), 'hex');
      for (const core of base64Cores(value)) this.#addNeedle(secret, [...core], 'base64');
    }
    this.#width = this.#spellings.nodes.length;
    for (const [index, step] of this.#steps.entries()) if (step.at === 0) this.#addRoot(index, step);
    this.#forget();
  }

  /** Secrets that end in the bytes, each once; undefined if there are none. */
  scan(
    bytes: Uint8Array,
    from: Progress = START,
  ): { readonly progress: Progress; readonly hits?: ReadonlySet<number> } {
    let state = this.#idOf({ ...from, hits: [] });
    let hits: Set<number> | undefined;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      const next = this.#rows[(state << 8) | byte]!;
      state = next === UNKNOWN ? this.#learn(state, byte) : next;
      // States with hits have odd numbers.
      if ((state & 1) === 1) for (const secret of this.#states[state]!.hits) (hits ??= new Set()).add(secret);
    }
    const { items, depth } = this.#states[state]!;
    return { progress: { items, depth }, ...(hits === undefined ? {} : { hits }) };
  }

  /** Where secrets are, in bytes in which `scan` found one. An unfinished secret of `minDepth` characters counts too. */
  spans(bytes: Uint8Array, minDepth = Number.POSITIVE_INFINITY): readonly Span[] {
    const found: Span[] = [];
    let items = new Map<number, number>();
    let work = 0;
    for (let at = 0; at < bytes.length; at++) {
      const next = new Map<number, number>();
      const enter = (start: number) => (item: number) => {
        const known = next.get(item);
        if (known === undefined || known > start) next.set(item, start);
      };
      const end = (start: number) => (step: Step) => void found.push({ start, end: at + 1, form: step.form });
      for (const [item, start] of items) this.#follow(item, bytes[at]!, enter(start), end(start));
      this.#begin(bytes[at]!, enter(at), end(at));
      items = next;
      work += items.size;
      if (work > MAX_WORK) return [{ start: 0, end: bytes.length, form: 'text' }];
    }
    for (const [item, start] of items) {
      const step = this.#steps[Math.floor(item / this.#width)]!;
      if (step.at >= minDepth) found.push({ start, end: bytes.length, form: step.form });
    }
    return found;
  }

  #addNeedle(secret: number, characters: readonly string[], form: Form): void {
    const gap = this.#spellings.gaps[form];
    for (const [at, character] of characters.entries()) {
      const start = this.#spellings.of(character, form);
      this.#steps.push({ start, gap, at, isLast: at === characters.length - 1, secret, form });
    }
  }

  #addRoot(index: number, { start }: Step): void {
    for (const byte of start.next.keys()) {
      const known = this.#roots.get(byte);
      if (known === undefined) this.#roots.set(byte, [index]);
      else known.push(index);
    }
  }

  /** Follows a byte from an item. */
  #follow(item: number, byte: number, enter: (item: number) => void, end: (step: Step) => void): void {
    const index = Math.floor(item / this.#width);
    const step = this.#steps[index]!;
    const node = this.#spellings.nodes[item % this.#width]!;
    const targets = node.next.get(byte);
    if (targets !== undefined) for (const target of targets) this.#arrive(index, target, enter, end);
    const { gaps } = this.#spellings;
    // Before a character, and after the end of a line, the character itself may begin; before it, also a gap.
    if (node === gaps.afterLine) this.#enterStep(index, step.start.next.get(byte), enter, end);
    if (node === step.start && step.at > 0) this.#enterStep(index, step.gap.next.get(byte), enter, end);
  }

  #enterStep(
    index: number,
    targets: readonly SpellingNode[] | undefined,
    enter: (item: number) => void,
    end: (step: Step) => void,
  ): void {
    for (const target of targets ?? []) this.#arrive(index, target, enter, end);
  }

  #arrive(index: number, target: SpellingNode, enter: (item: number) => void, end: (step: Step) => void): void {
    const { done, back } = this.#spellings;
    const step = this.#steps[index]!;
    if (target === back) enter(index * this.#width + step.start.id);
    else if (target !== done) enter(index * this.#width + target.id);
    else if (step.isLast) end(step);
    else enter((index + 1) * this.#width + this.#steps[index + 1]!.start.id);
  }

  #begin(byte: number, enter: (item: number) => void, end: (step: Step) => void): void {
    for (const index of this.#roots.get(byte) ?? []) {
      this.#enterStep(index, this.#steps[index]!.start.next.get(byte), enter, end);
    }
  }

  #learn(from: number, byte: number): number {
    const items = new Set<number>();
    const hits = new Set<number>();
    const enter = (item: number): void => void items.add(item);
    const end = (step: Step): void => void hits.add(step.secret);
    for (const item of this.#states[from]!.items) this.#follow(item, byte, enter, end);
    this.#begin(byte, enter, end);
    const sorted = [...items].sort((a, b) => a - b);
    const depth = sorted.reduce((deepest, item) => Math.max(deepest, this.#depthOf(item)), 0);
    const generation = this.#states;
    const id = this.#idOf({ items: sorted, depth, hits: [...hits].sort((a, b) => a - b) });
    if (generation === this.#states) this.#rows[(from << 8) | byte] = id;
    return id;
  }

  #depthOf = (item: number): number => this.#steps[Math.floor(item / this.#width)]!.at;

  #idOf(state: State): number {
    const key = `${state.items.join()}|${state.hits.join()}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#states.length >= MAX_STATES) this.#forget();
    let id = this.#states.length;
    // The skipped number stays unused, so that the lowest bit shows whether a state has hits.
    if ((id & 1) !== (state.hits.length > 0 ? 1 : 0)) this.#states[id++] = { items: [], depth: 0, hits: [] };
    this.#states[id] = state;
    this.#ids.set(key, id);
    if (this.#rows.length < (id + 1) * 256) {
      const grown = new Int32Array(this.#rows.length * 2).fill(UNKNOWN);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    return id;
  }

  #forget(): void {
    this.#states = [];
    this.#ids = new Map();
    this.#rows.fill(UNKNOWN);
  }
}
