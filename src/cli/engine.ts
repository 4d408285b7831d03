// What the commands need from the engine, as one interface. The real engine is loaded piece by piece, when it is called.

import { delimiter, join } from 'node:path';
import type { EventSink, RunReport } from '../engine/events.js';
import type { Failure, Result } from '../engine/failure.js';
import { systemClock } from '../engine/services/clock.js';
import type { PlanOptions, PlanReport } from '../engine/plan-report.js';
import type { Refusal, RunRequest } from '../engine/request.js';
import { tryFastPath } from '../engine/up-to-date/fast-path.js';
import type { Inspection } from '../engine/inspect/inspection.js';
import type { Explanation } from '../engine/inspect/why.js';
import type { Verification } from '../engine/inspect/verification.js';
import type { CheckedPipeline } from '../manifests/pipeline/manifest.js';
import type { PluginManifest } from '../manifests/plugin-manifest.js';
import { passThroughOf } from '../engine/app/pass-through.js';

interface ExecRequest {
  readonly slugDir: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly sandbox: RunRequest['sandbox'];
  readonly writable: boolean;
  /** The sandbox keeps its files in it. */
  readonly cacheDir: string;
  readonly signal: AbortSignal;
}

export interface InspectRequest extends Pick<RunRequest, 'appDir' | 'appId' | 'cacheDir'> {
  readonly slugDir: string;
  /** The folder of another slug is relative to it. */
  readonly cwd: string;
  readonly signal: AbortSignal;
}

export type { Inspection };

export interface Engine {
  /** The report of an up-to-date run; undefined if only `run` can tell. */
  tryFastPath(request: RunRequest, sink: EventSink): Promise<RunReport | undefined>;
  run(request: RunRequest, sink: EventSink): Promise<Result<RunReport, Refusal>>;
  /** Asks the remote cache if the request names one. */
  plan(
    request: RunRequest,
    onNotice: (code: string, text: string) => void,
    options?: Pick<PlanOptions, 'assumesUnchanged'>,
  ): Promise<Result<PlanReport, Refusal>>;
  /** Builds the app again, and compares. */
  verify(request: RunRequest, sink: EventSink): Promise<Result<Verification, Refusal>>;
  check(request: RunRequest): Promise<Result<CheckedPipeline, Refusal>>;
  why(
    place: Pick<RunRequest, 'appDir' | 'appId' | 'cacheDir'>,
    node: string,
    against: string | undefined,
  ): Promise<Result<Explanation>>;
  /** The shipped kinds, sorted. */
  kinds(): Promise<readonly PluginManifest[]>;
  /** Writes a tool tree of the cache into a new folder. */
  layOutTool(cacheDir: string, key: string, folder: string): Promise<Result<undefined>>;
  /** The inventory of a slug, with what the records of the app's runs know of it. */
  inspect(request: InspectRequest, against: string | undefined): Promise<Result<Inspection, Failure>>;
  /** Returns the exit status of the command. */
  exec(request: ExecRequest): Promise<Result<number, Failure>>;
}

/** `pluginHost` is the program that runs outside plugins, each in its own process. */
export function lazyEngine(
  version: string,
  env: Readonly<Record<string, string | undefined>>,
  pluginHost?: () => string,
): Engine {
  const compose = async () => (await import('../composition.js')).composeFor(env, pluginHost);
  return {
    tryFastPath: (request, sink) => tryFastPath(request, sink, { version, clock: systemClock }),
    run: async (request, sink) => {
      const { runPipeline } = await import('../engine/pipeline.js');
      return runPipeline(request, sink, await compose(), { version, clock: systemClock });
    },
    plan: async (request, onNotice, options) => {
      const { planPipeline } = await import('../engine/plan-report.js');
      return planPipeline(request, await compose(), { ...options, version, onNotice });
    },
    verify: async (request, sink) => {
      const { verifyApp } = await import('../engine/verify.js');
      return verifyApp(request, sink, await compose(), { version, clock: systemClock });
    },
    check: async (request) => {
      const { checkPipeline } = await import('../engine/plan/checked-pipeline.js');
      const { closing } = await import('../engine/composition.js');
      const { cacheDir, settings } = request;
      const loaded = await closing(await compose(), async (composing) =>
        checkPipeline(request, await composing({ cacheDir, settings })),
      );
      return loaded.ok ? { ok: true, value: loaded.value.pipeline } : loaded;
    },
    why: async (place, node, against) => (await import('../engine/inspect/why.js')).whyNode(place, node, against),
    kinds: async () => {
      const { shippedKinds } = await import('../plugins/index.js');
      return [...shippedKinds.values()].map(({ manifest }) => manifest).sort((a, b) => (a.kind < b.kind ? -1 : 1));
    },
    layOutTool: async (...request) => (await import('../engine/inspect/tool-folder.js')).layOutTool(...request),
    inspect: async (request, against) => {
      const { inspectSlug } = await import('../engine/inspect/inspection.js');
      return inspectSlug({ ...request, sourceDateEpoch: env['SOURCE_DATE_EPOCH'] }, against);
    },
    exec: async ({ cacheDir, ...request }) => {
      const { execSlug } = await import('../engine/inspect/exec-slug.js');
      return execSlug(request, {
        searchPath: (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
        passThrough: passThroughOf(env),
        stateDir: join(cacheDir, 'state', 'sandbox'),
      });
    },
  };
}
