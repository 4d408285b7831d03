// Chooses the attacks on the places of a scene, and runs them.

import { isBusy, type Place } from './places.js';
import { FORMS, type Form } from './planter.js';
import { hostileFiles, type Scene } from './scenes.js';
import { Trials } from './trials.js';
import type { TrialRequest } from './trial.js';

export interface Tally {
  readonly places: number;
  readonly attacks: number;
  /**
   * The attack was not possible: no such link exists (a hard link to another file system), or it can't be planted
   * there.
   */
  readonly notPlanted: number;
  readonly problems: readonly string[];
  readonly text: string;
}

type Request = Scene & Pick<TrialRequest, 'folder' | 'cacheDir' | 'sandbox' | 'passThrough'>;

/** Forms for a place that pyflow only looks at and removes. */
const QUIET_FORMS = 3;

/** `every`: attacks only every nth place, for a sample. */
export async function attackAll(request: Request, { every = 1 }: { readonly every?: number } = {}): Promise<Tally> {
  const trials = new Trials({ settings: {}, ...request });
  const counts = new Counts();
  try {
    const { places, durationMs, touches, commands } = await trials.record();
    const chosen = places.filter((_, index) => index % every === 0);
    for (const [index, place] of chosen.entries()) {
      const forms = isBusy(place) ? FORMS : formsInTurn(index);
      for (const [at, form] of forms.entries()) {
        counts.add(place, form, await trials.attack({ place, form, isThorough: at === index % forms.length }));
      }
    }
    const recorded = `${touches} touches after ${commands} commands, ${places.length} places`;
    return counts.tally(chosen.length, `${request.node}: ${recorded}, unattacked ${Math.round(durationMs)} ms`);
  } finally {
    trials.close();
  }
}

/** Attacks by code of the app, without replaying anything. `places` are relative to the app. */
export async function attackWithCode(
  request: Request,
  places: readonly Place[],
  forms: readonly Form[],
): Promise<Tally> {
  const trials = new Trials({ settings: {}, ...request });
  const counts = new Counts();
  const victim = `${request.folder}/victim`;
  try {
    for (const [index, place] of places.entries()) {
      for (const [at, form] of forms.entries()) {
        const code = hostileFiles(request, { place, form, victim });
        counts.add(place, form, await trials.attack({ place, form, isThorough: at === index % forms.length, code }));
      }
    }
    return counts.tally(places.length, `${request.node}, by its code`);
  } finally {
    trials.close();
  }
}

const formsInTurn = (index: number): readonly Form[] =>
  Array.from({ length: QUIET_FORMS }, (_, at) => FORMS[(index * QUIET_FORMS + at) % FORMS.length] as Form);

class Counts {
  private readonly problems: string[] = [];
  private readonly outcomes = new Map<string, number>();
  private attacks = 0;
  private notPlanted = 0;
  private slowest = { ms: 0, what: '' };

  add(
    { command, folder, path }: Place,
    form: Form,
    attacked: { readonly outcome: string; readonly durationMs: number; readonly problems: readonly string[] },
  ): void {
    this.attacks++;
    const isPlanted = !attacked.outcome.includes('not planted');
    if (!isPlanted) this.notPlanted++;
    const outcome = isPlanted ? attacked.outcome : 'not planted';
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    const what = `${form} at ${folder}/${path} after command ${command}`;
    if (attacked.durationMs > this.slowest.ms) this.slowest = { ms: attacked.durationMs, what };
    for (const problem of attacked.problems) {
      this.problems.push(`${what}: ${problem}`);
    }
  }

  tally(places: number, text: string): Tally {
    const outcomes = [...this.outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', ');
    return {
      places,
      attacks: this.attacks,
      notPlanted: this.notPlanted,
      problems: this.problems,
      text: `${text}; ${this.attacks} attacks at ${places} places: ${outcomes}; slowest ${Math.round(this.slowest.ms)} ms (${this.slowest.what})`,
    };
  }
}
