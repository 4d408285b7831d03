// The interface of renderers: they consume events and write text. A renderer can never change what runs.

import type { Event, EventSink } from '../events.js';

export interface Renderer {
  consume(event: Event): void;
  /** No event follows. Also called if the process ends early, to restore the terminal. */
  close(): void;
}

export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>;

export type Write = (text: string) => void;

export interface RenderOptions {
  /** Show the logs of restored nodes too, and a line for every node. */
  readonly verbose: boolean;
  readonly color: boolean;
}

/** The engine's sink: adds the time since `startedAt` to each event and passes it to all consumers. */
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
