// A folder with an app, a pipeline file and a cache, and calls of the engine on them.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { composeFor } from '../../src/composition.js';
import type { Compose } from '../../src/engine/composition.js';
import type { Event, EventSink, Outcome, RunReport } from '../../src/engine/events.js';
import { runPipeline } from '../../src/engine/pipeline.js';
import { planPipeline, type PlanReport } from '../../src/engine/plan-report.js';
import type { Refusal, RunRequest } from '../../src/engine/request.js';
import { systemClock } from '../../src/engine/services/clock.js';
import { tryFastPath } from '../../src/engine/up-to-date/fast-path.js';
import { pluginHost } from './plugin-host.js';

export const VERSION = '0.0.0-test';

export class Workspace {
  readonly root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
  readonly appDir = join(this.root, 'app');
  readonly cacheDir = join(this.root, 'cache');
  readonly outDir = join(this.root, 'slug');
  readonly pipelineFile = join(this.root, 'pipeline.yml');
  readonly events: Event[] = [];
  compose: Compose = composeFor({ PATH: process.env['PATH'], HOME: process.env['HOME'] }, pluginHost);

  constructor() {
    mkdirSync(this.appDir);
  }

  /** Writes files of the app. */
  write(files: Readonly<Record<string, string>>): this {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.appDir, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    return this;
  }

  /** Makes a symbolic link of the app. */
  link(path: string, target: string): this {
    symlinkSync(target, join(this.appDir, path));
    return this;
  }

  /** Makes the folder of app variables, with only these. */
  envDir(variables: Readonly<Record<string, string>>): string {
    const folder = join(this.root, 'env');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    for (const [name, value] of Object.entries(variables)) writeFileSync(join(folder, name), value);
    return folder;
  }

  remove(...paths: readonly string[]): this {
    for (const path of paths) rmSync(join(this.appDir, path), { recursive: true, force: true });
    return this;
  }

  pipeline(text: string): this {
    writeFileSync(this.pipelineFile, text);
    return this;
  }

  request(overrides: Partial<RunRequest> = {}): RunRequest {
    return {
      pipelineFile: this.pipelineFile,
      appDir: this.appDir,
      outDir: this.outDir,
      force: false,
      cacheDir: this.cacheDir,
      params: {},
      only: [],
      refresh: [],
      keepGoing: false,
      mode: 'build',
      sandbox: 'none',
      settings: {},
      signal: new AbortController().signal,
      ...overrides,
    };
  }

  readonly sink: EventSink = { emit: (event) => void this.events.push({ at: 0, ...event } as Event) };

  /** A full run, without the fast path. */
  async run(overrides: Partial<RunRequest> = {}): Promise<RunReport> {
    this.events.length = 0;
    const done = await runPipeline(this.request(overrides), this.sink, this.compose, {
      version: VERSION,
      clock: systemClock,
    });
    if (!done.ok) throw new Refused(done.failure);
    return done.value;
  }

  /** The report of the fast path; undefined if it does not apply. */
  fastRun(overrides: Partial<RunRequest> = {}): Promise<RunReport | undefined> {
    return tryFastPath(this.request(overrides), this.sink, { version: VERSION, clock: systemClock });
  }

  async plan(overrides: Partial<RunRequest> = {}, assumesUnchanged = false): Promise<PlanReport> {
    const options = { version: VERSION, onNotice: () => undefined, assumesUnchanged };
    const planned = await planPipeline(this.request(overrides), this.compose, options);
    if (!planned.ok) throw new Refused(planned.failure);
    return planned.value;
  }

  slugFile(path: string): string {
    return readFileSync(join(this.outDir, path), 'utf8');
  }

  slugNames(): readonly string[] {
    return readdirSync(this.outDir, { recursive: true }).map(String).sort();
  }

  cleanUp(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Thrown if the run was refused before it started. */
export class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(
      refusal.type === 'failure'
        ? `${refusal.failure.code}: ${refusal.failure.title}\n${refusal.failure.detail}`
        : refusal.diagnostics
            .map(({ code, message, start }) => `${start.line}:${start.column} ${code}: ${message}`)
            .join('\n'),
    );
  }
}

/** Node -> outcome, in plan order. */
export const outcomesOf = (report: RunReport): Readonly<Record<string, Outcome>> =>
  Object.fromEntries(Object.entries(report.nodes).map(([id, { outcome }]) => [id, outcome]));
