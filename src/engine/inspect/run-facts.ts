// What the report of a run tells about the slug that it wrote: where its Python came from, the tools, packages of the distribution.

import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import type { NodeReport, RunReport } from '../events.js';
import type { RunRequest } from '../request.js';
import { appIdOf, listRuns } from '../run/run-record.js';
import { readStoredReport } from '../run/stored-report.js';
import type { Folder } from '../files/folder.js';
import { isTable } from '../files/untrusted-json.js';
import { quietly, type PythonPlace } from './distributions.js';

export interface RunFacts {
  readonly id: string;
  readonly appId: string;
  readonly pipeline: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** Where Python came from. */
  readonly python?: { readonly provider?: string; readonly requested?: string; readonly origin?: string };
  readonly packageManager?: string;
  /** The tools that the nodes fetched, sorted by name. */
  readonly tools: readonly { readonly name: string; readonly version: string }[];
  /** Packages of the distribution, name -> version. */
  readonly distribution: Readonly<Record<string, string>>;
}

export interface SystemPackage {
  readonly name: string;
  readonly version: string;
  /** `distribution`: a package of the builder's distribution. `library`: found by its header beside Python. */
  readonly source: 'distribution' | 'library';
}

/** The readable reports of the app's runs, oldest first. */
export function* reportsOf(place: Pick<RunRequest, 'appDir' | 'appId' | 'cacheDir'>): Generator<RunReport> {
  const appId = appIdOf(place);
  for (const run of listRuns(place.cacheDir, appId)) {
    const stored = readStoredReport(place.cacheDir, appId, run);
    if (stored.type === 'report') yield stored.report;
  }
}

/** The facts of the first run that wrote a slug with this digest. */
export function runOf(reports: Iterable<RunReport>, digest: string): RunFacts | undefined {
  for (const report of reports) if (report.slug?.digest === digest) return factsOf(report);
  return undefined;
}

function factsOf(report: RunReport): RunFacts {
  const { runId, appId, pipeline, startedAt, durationMs, buildData } = report;
  const nodes = Object.entries(report.nodes);
  // By their ports, because a pipeline may use other kinds for the same work.
  const havingPort = (port: string): JSONObject =>
    nodes.find(([, { outputs }]) => outputs?.[port] !== undefined)?.[1].outputs ?? {};
  const distribution = havingPort('installed')['packages'];
  const python = named({
    provider: havingPort('provider')['provider'],
    requested: buildData['python_version_requested'],
    origin: buildData['python_version_origin'],
  });
  const { manager } = named({ manager: buildData['package_manager'] });
  return {
    id: runId,
    appId,
    pipeline,
    startedAt,
    durationMs,
    ...(Object.keys(python).length > 0 && { python }),
    ...(manager !== undefined && { packageManager: manager }),
    tools: nodes.flatMap(toolOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
    distribution: named<string>(isTable(distribution) ? distribution : {}) as Readonly<Record<string, string>>,
  };
}

/** Only the texts. */
const named = <Name extends string>(
  fields: Readonly<Record<Name, JSONValue | undefined>>,
): { [Field in Name]?: string } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === 'string' && value !== '')) as {
    [Field in Name]?: string;
  };

/** The node `pip-tool` fetches pip. */
function toolOf([id, { outputs }]: readonly [string, NodeReport]): RunFacts['tools'] {
  const version = outputs?.['version'];
  if (outputs?.['tool'] === undefined || typeof version !== 'string' || version === '') return [];
  return [{ name: id.replace(/-tool$/, ''), version }];
}

const MOST_HEADER = 2 * 1024 * 1024;

/** From the record of the run; without one, from the header of SQLite. */
export function systemPackagesOf(
  slug: Folder,
  { home }: PythonPlace,
  run: RunFacts | undefined,
): readonly SystemPackage[] {
  const known = Object.entries(run?.distribution ?? {});
  if (known.length > 0) {
    const packages = known.map(([name, version]): SystemPackage => ({ name, version, source: 'distribution' }));
    return packages.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  const path = `${home}/include/sqlite3.h`;
  const header = quietly(() => slug.readStart(path, MOST_HEADER))?.toString('latin1') ?? '';
  const version = /^#define SQLITE_VERSION\s+"([\d.]{1,40})"/m.exec(header)?.[1];
  return version === undefined ? [] : [{ name: 'sqlite', version, source: 'library' }];
}
