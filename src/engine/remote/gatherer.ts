// Makes one call of what many ask for at about the same time.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { Slots } from './slots.js';

interface Round<Item, Answer> {
  readonly items: Item[];
  readonly answer: Promise<Answer>;
}

/** While as many rounds as allowed are on their way, all that is asked waits together for the next one. */
export class Gatherer<Item, Answer> {
  readonly #slots: Slots;
  #next: Round<Item, Answer> | undefined;

  constructor(
    atOnce: number,
    private readonly work: (items: readonly Item[]) => Promise<Answer>,
  ) {
    this.#slots = new Slots(atOnce);
  }

  /** The answer covers all items of the round, also those of other callers. */
  ask(items: readonly Item[]): Promise<Answer> {
    const round = (this.#next ??= this.#open());
    for (const item of items) round.items.push(item);
    return round.answer;
  }

  #open(): Round<Item, Answer> {
    const items: Item[] = [];
    const answer = this.#slots.use(async () => {
      // Whoever is ready in this turn can still join.
      await nextTurn();
      this.#next = undefined;
      return this.work(items);
    });
    return { items, answer };
  }
}
