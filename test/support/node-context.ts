// A run context that records what a node prints, for kinds that only compute values.

import 'reflect-metadata';
import type {
  Failure,
  JSONValue,
  NodeLog,
  Reads,
  Result,
  RunContext,
  RunOutput,
  ViewReader,
} from '../../src/engine/sdk.js';
import { memoryView } from './memory-view.js';

export interface Printed {
  readonly type: 'step' | 'info' | 'notice';
  readonly text: string;
  readonly code?: string;
}

export function recordingLog(): { readonly log: NodeLog; readonly printed: readonly Printed[] } {
  const printed: Printed[] = [];
  return {
    printed,
    log: {
      step: (_, text) => void printed.push({ type: 'step', text }),
      info: (_, text) => void printed.push({ type: 'info', text }),
      notice: (_, code, text) => void printed.push({ type: 'notice', code, text }),
      progress: () => undefined,
    },
  };
}

/** A pure node has no folders, so these paths don't exist. */
export function nodeContext<const Facts extends JSONValue>(
  facts: Facts,
  view: ViewReader = memoryView(),
): RunContext<Facts> {
  const nowhere = '/nonexistent/pyflow-pure-node';
  return {
    node: 'node',
    appDir: nowhere,
    scratchDir: nowhere,
    cacheDir: nowhere,
    keptCache: 'open' as const,
    givenDir: nowhere,
    paths: { app: '/app', scratch: nowhere, cache: nowhere, given: nowhere, tools: {} },
    toolDirs: {},
    env: {},
    facts,
    view,
    signal: new AbortController().signal,
    handle: {},
  };
}

/**
 * Calls `reads`, then `run` with the facts converted to JSON and back, as they are between processes and in the cache.
 */
export async function play<C, I, O>(
  plugin: {
    reads(node: { readonly config: C; readonly inputs: I }, view: ViewReader): Promise<Result<Reads, Failure>>;
    run(node: { readonly config: C; readonly inputs: I }, context: RunContext): Promise<Result<RunOutput<O>, Failure>>;
  },
  config: C,
  inputs: I,
  view: ViewReader,
): Promise<{ readonly reads: Reads; readonly result: Result<RunOutput<O>, Failure> }> {
  const reads = await plugin.reads({ config, inputs }, view);
  if (!reads.ok) return { reads: {}, result: reads };
  const facts = JSON.parse(JSON.stringify(reads.value.facts ?? null)) as JSONValue;
  return { reads: reads.value, result: await plugin.run({ config, inputs }, nodeContext(facts)) };
}
