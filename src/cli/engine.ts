// What the commands need of the rest of pyflow, as one interface, and the real thing loaded piece by piece when called.

import type { EventSink, RunReport } from '../engine/events.js';
import type { Failure, Result } from '../engine/failure.js';
import type { PlanReport, Refusal, RunRequest } from '../engine/pipeline.js';
import type { CheckedPipeline } from '../manifests/pipeline/manifest.js';
import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';
import type { PluginManifest } from '../manifests/plugin-manifest.js';

export interface CheckOutcome {
  readonly file: string;
  readonly diagnostics: readonly Diagnostic[];
  /** Diagnostics with their excerpts, as people read them. */
  readonly text: string;
  /** Absent when a diagnostic is an error. */
  readonly pipeline?: CheckedPipeline;
}

export interface Engine {
  /** The report of an up-to-date run, or undefined when the long way must find out. */
  tryFastPath(request: RunRequest, sink: EventSink): Promise<RunReport | undefined>;
  run(
    request: RunRequest,
    sink: EventSink,
  ): Promise<{ readonly ok: true; readonly report: RunReport } | { readonly ok: false; readonly refusal: Refusal }>;
  plan(
    request: RunRequest,
  ): Promise<{ readonly ok: true; readonly plan: PlanReport } | { readonly ok: false; readonly refusal: Refusal }>;
  check(
    request: RunRequest,
  ): Promise<{ readonly ok: true; readonly outcome: CheckOutcome } | { readonly ok: false; readonly failure: Failure }>;
  kinds(): Promise<readonly PluginManifest[]>;
  exec(request: {
    readonly slugDir: string;
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly sandbox: 'auto' | 'required' | 'none';
    readonly writable: boolean;
    readonly signal: AbortSignal;
  }): Promise<Result<number, Failure>>;
}

const notThere = (what: string): Failure => ({
  code: 'pyflow::not-built',
  blame: 'internal',
  title: `This build of pyflow has no ${what} yet.`,
  detail: '',
  remedy: 'Use a later build.',
});

export function lazyEngine(version: string): Engine {
  return {
    tryFastPath: async (request, sink) => (await import('../engine/run-record.js')).tryFastPath(request, sink, version),
    run: async () => ({ ok: false, refusal: { type: 'failure', failure: notThere('engine') } }),
    plan: async () => ({ ok: false, refusal: { type: 'failure', failure: notThere('planner') } }),
    check: async () => ({ ok: false, failure: notThere('checks') }),
    kinds: async () => [],
    exec: async () => ({ ok: false, failure: notThere('exec') }),
  };
}
