// Reads the reports of earlier runs and checks their shape. Reports have no checksum, because people and platforms read
// and move them.

import { join } from 'node:path';
import {
  REPORT_SCHEMA,
  type PackageChange,
  type Reason,
  type RemoteReport,
  type RunReport,
  type Unshared,
} from '../events.js';
import { isTable } from '../files/untrusted-json.js';
import { readJSON } from '../files/cache-file.js';
import { runsDir } from './run-record.js';

export type StoredReport =
  | { readonly type: 'report'; readonly report: RunReport }
  /** Written by another version of pyflow. */
  | { readonly type: 'other-schema'; readonly schema: string }
  /** Missing or damaged. */
  | { readonly type: 'none' };

export function readStoredReport(cacheDir: string, appId: string, runId: string): StoredReport {
  const stored = readJSON<unknown>(join(runsDir(cacheDir, appId), `${runId}.json`));
  if (isReport(stored)) return { type: 'report', report: stored };
  const schema = schemaOf(stored);
  return schema === undefined || schema === REPORT_SCHEMA ? { type: 'none' } : { type: 'other-schema', schema };
}

const areTexts = (value: Readonly<Record<string, unknown>>, ...names: readonly string[]): boolean =>
  names.every((name) => typeof value[name] === 'string');

/** The schema that a report names, such as `pyflow.report/1`; undefined if the value is not a report. */
function schemaOf(value: unknown): string | undefined {
  const schema = isTable(value) ? value['schema'] : undefined;
  return typeof schema === 'string' && /^pyflow\.report\/\d+$/.test(schema) ? schema : undefined;
}

function isReport(value: unknown): value is RunReport {
  if (!isTable(value) || value['schema'] !== REPORT_SCHEMA) return false;
  if (!areTexts(value, 'runId', 'pipeline', 'appId', 'status', 'startedAt')) return false;
  const { exitCode, durationMs, nodes, buildData, slug, remote, failure } = value;
  if (typeof exitCode !== 'number' || typeof durationMs !== 'number' || !isTable(buildData)) return false;
  if (slug !== undefined && !(isTable(slug) && areTexts(slug, 'path', 'digest'))) return false;
  if (remote !== undefined && !isRemoteReport(remote)) return false;
  return isTable(nodes) && Object.values(nodes).every(isNodeReport) && isFailure(failure);
}

const REMOTE_COUNTS = [
  'hits',
  'misses',
  'uploaded',
  'notUploaded',
  'calls',
  'roundTrips',
  'bytesDown',
  'bytesUp',
  'savedMs',
] as const satisfies readonly (keyof RemoteReport)[];

const isRemoteReport = (value: unknown): boolean =>
  isTable(value) && areTexts(value, 'url') && REMOTE_COUNTS.every((name) => typeof value[name] === 'number');

function isNodeReport(value: unknown): boolean {
  if (!isTable(value) || !areTexts(value, 'kind', 'outcome') || typeof value['durationMs'] !== 'number') return false;
  const { reasons, failure, outputs, layer, degraded, unshared } = value;
  if (!Array.isArray(reasons) || !reasons.every(isReason)) return false;
  if (!hasShape(degraded, 'text?') || (unshared !== undefined && !isUnshared(unshared))) return false;
  return [outputs, layer].every((part) => part === undefined || isTable(part)) && isFailure(failure);
}

const isFailure = (value: unknown): boolean =>
  value === undefined || (isTable(value) && areTexts(value, 'code', 'blame', 'title', 'detail', 'remedy'));

type FieldShape<Value> = [Value] extends [readonly string[]]
  ? 'texts'
  : [Value] extends [readonly PackageChange[]]
    ? 'packages'
    : [Value] extends [string]
      ? 'text'
      : [Value] extends [number]
        ? 'number'
        : [Value] extends [boolean]
          ? 'boolean'
          : 'any';
/** A question mark after a shape means that the field can be absent. */
type ShapeOf<Data> = {
  readonly [Field in Exclude<keyof Data, 'type'>]: object extends Pick<Data, Field>
    ? `${FieldShape<Required<Data>[Field]>}?`
    : FieldShape<Data[Field]>;
};

const PACKAGE = { name: 'text', version: 'text' } as const;
const NAME = { name: 'text' } as const;
const PATH = { path: 'text' } as const;
const PORT = { port: 'text' } as const;
const MADE = { port: 'text', nodes: 'texts' } as const;
const TEXTS = { from: 'text', to: 'text' } as const;
const NUMBERS = { from: 'number', to: 'number' } as const;
const VALUES = { field: 'text', from: 'any?', to: 'any?' } as const;

/** The fields of each reason. A new type of reason does not compile until it is listed here. */
const REASON_SHAPES: { readonly [Type in Reason['type']]: ShapeOf<Extract<Reason, { type: Type }>> } = {
  'key-format-changed': NUMBERS,
  'plugin-revised': NUMBERS,
  'plugin-code-changed': {},
  'kind-changed': TEXTS,
  'config-changed': VALUES,
  'fact-changed': VALUES,
  'input-changed': { ...PORT, ...VALUES },
  'package-added': PACKAGE,
  'package-removed': PACKAGE,
  'package-changed': { ...NAME, ...TEXTS },
  'variable-added': NAME,
  'variable-removed': NAME,
  'variable-changed': NAME,
  'secret-added': NAME,
  'secret-removed': NAME,
  'secret-set': NAME,
  'secret-unset': NAME,
  'secret-changed': { ...NAME, ...VALUES },
  'platform-changed': { ...NAME, from: 'text?', to: 'text?' },
  'builder-changed': { from: 'text?', to: 'text?', packages: 'packages' },
  'file-added': PATH,
  'file-removed': PATH,
  'file-changed': PATH,
  'file-mode-changed': { ...PATH, ...TEXTS },
  'link-changed': { ...PATH, ...TEXTS },
  'presence-changed': { ...PATH, from: 'boolean?', to: 'boolean?' },
  'layer-added': MADE,
  'layer-changed': MADE,
  'layer-removed': PORT,
  'layers-reordered': PORT,
  'tool-added': MADE,
  'tool-changed': MADE,
  'tool-removed': PORT,
  'scope-changed': TEXTS,
  'hidden-value-changed': {},
  'first-run': {},
  'new-node': {},
  'skipped-before': {},
  'refresh-requested': {},
  'side-effects': {},
  'never-cached': {},
  'inputs-changed': { evictedAt: 'text?' },
  evicted: { at: 'text' },
  expired: { at: 'text' },
  'missing-from-cache': {},
  'bound-to-other-host': {},
  'result-lost': {},
  'needs-node': { node: 'text' },
  'outcome-changed': TEXTS,
};

export function isReason(value: unknown): value is Reason {
  if (!isTable(value) || typeof value['type'] !== 'string' || !Object.hasOwn(REASON_SHAPES, value['type']))
    return false;
  const shapes = Object.entries<string>(REASON_SHAPES[value['type'] as Reason['type']]);
  return shapes.every(([field, shape]) => hasShape(value[field], shape));
}

const UNSHARED: { readonly [Type in Unshared['type']]: (value: Readonly<Record<string, unknown>>) => boolean } = {
  app: () => true,
  secrets: () => true,
  variables: () => true,
  degraded: () => true,
  derived: ({ node, cause }) => typeof node === 'string' && (cause === 'variables' || cause === 'secrets'),
};

export function isUnshared(value: unknown): value is Unshared {
  if (!isTable(value) || typeof value['type'] !== 'string' || !Object.hasOwn(UNSHARED, value['type'])) return false;
  return UNSHARED[value['type'] as Unshared['type']](value);
}

function hasShape(value: unknown, shape: string): boolean {
  if (shape.endsWith('?')) return value === undefined || hasShape(value, shape.slice(0, -1));
  if (shape === 'packages') return Array.isArray(value) && value.every(isPackageChange);
  if (shape === 'texts') return Array.isArray(value) && value.every((item) => typeof item === 'string');
  return shape === 'any' || typeof value === (shape === 'text' ? 'string' : shape);
}

const isPackageChange = (value: unknown): boolean =>
  isTable(value) && areTexts(value, 'name') && [value['from'], value['to']].every((one) => hasShape(one, 'text?'));
