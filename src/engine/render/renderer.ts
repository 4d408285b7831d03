// What every renderer is: a consumer of events that writes text. A renderer can never change what runs.

import type { Event, EventSink } from '../events.js';

export interface Renderer {
  consume(event: Event): void;
  /** No event follows. Also called when the process ends early: gives a terminal back as it was. */
  close(): void;
}

export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>;

export type Write = (text: string) => void;

export interface RenderOptions {
  /** Replay the logs of restored nodes, and name those that were up to date or skipped. */
  readonly verbose: boolean;
  readonly color: boolean;
}

/** The engine's sink: stamps each event with the time since `startedAt` and passes it to all consumers. */
export function eventSink(
  now: () => number,
  startedAt: number,
  consumers: readonly ((event: Event) => void)[],
): EventSink {
  return {
    emit: (event) => {
      const stamped = { at: Math.max(0, now() - startedAt), ...event } as Event;
      for (const consume of consumers) consume(stamped);
    },
  };
}
