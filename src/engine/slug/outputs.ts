// Writes what `--output` asks for, after the slug: other folders, archives, images.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { OutputReport } from '../events.js';
import { FailureError, succeed, type Result } from '../failure.js';
import { digestOf, hexOf } from '../files/digest.js';
import { ignoreInGit } from '../files/own-folders.js';
import { FIXED_MTIME_S } from '../files/new-files.js';
import type { OutputRequest } from '../request.js';
import { acquireKeyLock } from '../run/lock.js';
import type { Failed, Lost } from '../run/node-end.js';
import type { SlugTrace } from '../app/slug-marker.js';
import { realPath } from '../app/source.js';
import { openCompressor } from './compressor.js';
import { contentOfSlug, type SlugContent } from './content.js';
import type { FinishedApp } from './finished-app.js';
import { writeImages } from './oci-output.js';
import type { OutputJob, Written } from './output-job.js';
import { bytesOfSlug } from './part-tar.js';
import { partsOfSlug, type SlugPart } from './slug-parts.js';
import { writeTar } from './tar-output.js';
import { endOfError, writeSlug, type WrittenSlug } from './write.js';

export interface WrittenOutputs {
  readonly reports: readonly OutputReport[];
  /** For the fast record. */
  readonly traces: readonly SlugTrace[];
}
export type OutputsEnd = Result<WrittenOutputs, Lost | Failed>;

export interface OutputOptions {
  readonly outputs: readonly OutputRequest[];
  readonly sourceTimeS: number | undefined;
  readonly workDir: () => string;
  /** Called after each that was not there before. */
  readonly onWritten: (report: OutputReport) => void;
}

/** `slug`: the slug that the run has just written. */
export async function writeOutputs(app: FinishedApp, slug: WrittenSlug, options: OutputOptions): Promise<OutputsEnd> {
  const reports: OutputReport[] = [];
  const traces: SlugTrace[] = [];
  const shared = new Lazy(() => sharedParts(app, slug));
  for (const request of options.outputs) {
    const written = await writeOne(request, app, options, shared);
    if (!written.ok) return written;
    const { report } = written.value;
    reports.push(report);
    traces.push(...written.value.traces);
    if (written.value.changed) options.onWritten(report);
  }
  return succeed({ reports, traces });
}

type OneEnd = Result<Written & { readonly report: OutputReport }, Lost | Failed>;

async function writeOne(
  request: OutputRequest,
  app: FinishedApp,
  options: OutputOptions,
  shared: Lazy<Promise<SharedParts>>,
): Promise<OneEnd> {
  const { path } = request;
  if (request.type === 'dir') return writeFolder(path, app);
  const started = performance.now();
  const { cacheDir, signal } = app;
  let lock: { release(): void } | undefined;
  try {
    lock = await acquireKeyLock(cacheDir, digestOf(`output ${realPath(path)}`), { signal });
    if (request.type === 'oci') mkdirSync(path, { recursive: true });
    const job = await jobFor(request, app, options, await shared.value);
    const written = await (request.type === 'tar' ? writeTar(path, job) : writeImages(request, job));
    ignoreInGit(app.appDir, request.type === 'oci' ? path : `${dirname(path)}/x`);
    const spent = written.changed ? { durationMs: Math.round(performance.now() - started) } : {};
    return succeed({ ...written, report: { form: request.type, path, ...written.report, ...spent } });
  } catch (error) {
    return endOfError(error, signal);
  } finally {
    lock?.release();
  }
}

/** A second slug. */
async function writeFolder(path: string, app: FinishedApp): Promise<OneEnd> {
  const written = await writeSlug({ ...app, outDir: path });
  if (!written.ok) return written;
  const { slug, durationMs } = written.value;
  const spent = durationMs === undefined ? {} : { durationMs };
  const report = { form: 'dir' as const, path, digest: `sha256:${hexOf(slug.digest)}`, bytes: slug.bytes, ...spent };
  const traces = slug.traces.map(([name, ...stats]): SlugTrace => [name === '.' ? path : `${path}/${name}`, ...stats]);
  return succeed({ report, traces, changed: slug.changed });
}

interface SharedParts {
  readonly content: SlugContent;
  readonly parts: readonly SlugPart[];
}

/** Computed once, when something needs it. */
class Lazy<T> {
  #made: { readonly value: T } | undefined;

  constructor(private readonly make: () => T) {}

  get value(): T {
    this.#made ??= { value: this.make() };
    return this.#made.value;
  }
}

async function sharedParts(app: FinishedApp, slug: WrittenSlug): Promise<SharedParts> {
  let { content } = slug;
  // A slug in the developer's own folder keeps what the build removed.
  if (app.outDir === app.appDir && !app.isOneTime) {
    const made = await contentOfSlug(app, false);
    if (!made.ok) throw new FailureError(made.failure);
    content = made.value;
  }
  const { layers, table, makers } = app;
  return { content, parts: partsOfSlug(content.root, layers, table, (layer) => makers.get(layer) ?? 'layer') };
}

async function jobFor(
  request: Exclude<OutputRequest, { readonly type: 'dir' }>,
  app: FinishedApp,
  { sourceTimeS = FIXED_MTIME_S, workDir }: OutputOptions,
  { content, parts }: SharedParts,
): Promise<OutputJob> {
  const { store, appDir, table, cacheDir, appId, clock, signal } = app;
  return {
    place: { cacheDir, appId },
    content,
    table,
    parts,
    // The times of layers never change, so that an edit of the source leaves them as they are.
    mtimeOf: ({ isSource }) => (isSource ? sourceTimeS : FIXED_MTIME_S),
    sourceTimeS,
    packing: {
      store,
      compressor: await openCompressor(request.compression),
      bytes: bytesOfSlug(store, appDir, content.sources),
      workDir,
      now: clock.now(),
      signal,
    },
  };
}
