// The running calls. Code that a call runs can find out which call it belongs to.

import { AsyncLocalStorage } from 'node:async_hooks';

export interface Call {
  readonly id: string;
  readonly controller: AbortController;
}

export const current = new AsyncLocalStorage<Call>();
export const calls = new Map<string, Call>();

/** The call that the current code belongs to. */
export const currentId = (): { readonly id?: string } => {
  const id = current.getStore()?.id ?? (calls.size === 1 ? [...calls.keys()][0] : undefined);
  return id === undefined ? {} : { id };
};

const handles = new WeakMap<object, Call>();

export function handleFor(call: Call): object {
  const handle = Object.freeze({});
  handles.set(handle, call);
  return handle;
}

/** By the context that a plugin passes to a service. */
export function callOf(context: unknown): Call {
  const handle = (context as { handle?: unknown } | undefined)?.handle;
  const call = typeof handle === 'object' && handle !== null ? handles.get(handle) : undefined;
  if (call === undefined) throw new TypeError('the first argument of a service must be the context that run got');
  return call;
}
