// Reads the nodes of a file one by one: kind, config, settings. Skips whatever the schema check refused, so that one check
// finds all other mistakes too.

import type { JSONObject } from '../json-schema.js';
import type { KnownKind } from '../plugin-manifest.js';
import type { CachePolicy, NodeId, NodeLimits, RetryCause, Secret } from './manifest.js';
import { isRecord, type Path, type Report } from './problem.js';
import { explainSchemaErrors } from './schema-messages.js';
import { parseSize } from './sizes.js';
import { fillTemplates, type TemplateContext } from './templates.js';

/** A node on its way through the checks. Its index is its position in the file. */
export interface Draft {
  readonly id: NodeId;
  readonly index: number;
  readonly path: Path;
  readonly raw: Readonly<Record<string, unknown>>;
  readonly kind: KnownKind | undefined;
  readonly config: JSONObject;
  /** Undefined when the config has mistakes or unknown values. */
  readonly writes: readonly string[] | undefined;
  /** As far as the kind and the config say. */
  readonly reads: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly Secret[];
  readonly cache: CachePolicy;
  readonly retries: number;
  readonly retryOn: readonly RetryCause[] | undefined;
  readonly timeoutMs: number | undefined;
  readonly limits: NodeLimits | undefined;
  readonly pool: string | undefined;
}

interface NodeContext extends TemplateContext {
  readonly kinds: ReadonlyMap<string, KnownKind>;
  /** A plugin could not be loaded, so an unknown kind may be one of its kinds. */
  readonly mayLackKinds: boolean;
}

export function readNodes(section: unknown, context: NodeContext): readonly Draft[] {
  if (!isRecord(section)) return [];
  const entries = Object.entries(section).filter((entry): entry is [string, Draft['raw']] => isRecord(entry[1]));
  return entries.map(([id, raw], index) => readNode(id, index, raw, context));
}

function readNode(id: string, index: number, raw: Draft['raw'], context: NodeContext): Draft {
  const { kinds, report, suggester } = context;
  const path: Path = ['nodes', id];
  const uses = raw['uses'];
  const kind = typeof uses === 'string' ? kinds.get(uses) : undefined;
  if (typeof uses === 'string' && uses !== '' && kind === undefined && !context.mayLackKinds) {
    report({
      code: 'pipeline::unknown-kind',
      path: [...path, 'uses'],
      message: `There is no kind \`${uses}\`.`,
      remedy: `${suggester.remedy(uses, kinds.keys(), 'kind')} \`pyflow plugins ls\` lists all kinds.`,
    });
  }
  const { config, isKnown } = readConfig(path, raw, kind, context);
  const env = readEnv(path, raw['env'], context);
  const secrets = readSecrets(path, raw['secrets'], context);
  for (const { name } of secrets) {
    if (!Object.hasOwn(env, name)) continue;
    report({
      code: 'pipeline::secret-in-env',
      path: [...path, 'env', name],
      atKey: true,
      message: `\`${name}\` is listed in both \`env\` and \`secrets\`.`,
      reason: 'Values in `env` become part of cache keys and run records, where a secret must not appear.',
      remedy: 'Remove it from one of the two.',
    });
  }
  const cache = raw['cache'];
  const maxAgeMs = isRecord(cache) ? readDuration([...path, 'cache', 'maxAge'], cache['maxAge'], report) : undefined;
  return {
    id: id as NodeId,
    index,
    path,
    raw,
    kind,
    config,
    writes: kind && isKnown ? expandWrites(kind.manifest.writes, config) : undefined,
    reads: kind && isKnown ? expandWrites(kind.manifest.reads ?? [], config) : [],
    env,
    secrets,
    cache: maxAgeMs !== undefined ? { maxAgeMs } : cache === 'never' ? 'never' : 'auto',
    ...readRetries(raw['retries']),
    timeoutMs: readTimeout([...path, 'timeout'], raw['timeout'], report) ?? kind?.manifest.timeoutMs,
    limits: readLimits([...path, 'limits'], raw['limits'], report),
    pool: typeof raw['pool'] === 'string' ? raw['pool'] : kind?.manifest.pool,
  };
}

function readConfig(
  path: Path,
  raw: Readonly<Record<string, unknown>>,
  kind: KnownKind | undefined,
  context: NodeContext,
): { readonly config: JSONObject; readonly isKnown: boolean } {
  const given = raw['with'];
  const at: Path = [...path, 'with'];
  if (given !== undefined && !isRecord(given)) return { config: {}, isKnown: false };
  // Always a copy, because the validator fills in defaults and YAML aliases make nodes share one object.
  const { value, unknown, wholes } = fillTemplates(given ?? {}, at, context);
  const config = value as JSONObject;
  if (kind === undefined) return { config, isKnown: false };
  if (kind.validateConfig(config)) return { config, isKnown: unknown.length === 0 };
  const errors = kind.validateConfig.errors ?? [];
  const subject = `the config of \`${String(path.at(-1))}\``;
  explainSchemaErrors(
    { errors, data: config, schema: kind.manifest.config, at, subject, unknown, wholes },
    context.report,
    context.suggester,
  );
  return { config, isKnown: false };
}

function readEnv(path: Path, section: unknown, context: NodeContext): Record<string, string> {
  const env: Record<string, string> = {};
  if (!isRecord(section)) return env;
  for (const [name, text] of Object.entries(section)) {
    if (typeof text !== 'string') continue;
    const at: Path = [...path, 'env', name];
    const { value, unknown } = fillTemplates(text, at, context);
    if (typeof value === 'object') {
      context.report({
        code: 'pipeline::bad-template',
        path: at,
        message: `The variable \`${name}\` can't hold a list or a mapping.`,
        remedy: 'Use a param that is a string, a number or a boolean.',
      });
    } else if (unknown.length === 0) env[name] = String(value);
  }
  return env;
}

function readSecrets(path: Path, section: unknown, context: NodeContext): Draft['secrets'] {
  if (!Array.isArray(section)) return [];
  const secrets: Secret[] = [];
  for (const [index, entry] of section.entries()) {
    const name: unknown = isRecord(entry) ? entry['name'] : entry;
    if (typeof name !== 'string') continue;
    if (secrets.some((known) => known.name === name)) {
      context.report({
        code: 'pipeline::bad-value',
        path: [...path, 'secrets', index],
        message: `The secret \`${name}\` is listed twice.`,
        remedy: 'Remove one of them.',
      });
      continue;
    }
    const label: unknown = isRecord(entry) ? entry['label'] : undefined;
    const at: Path = [...path, 'secrets', index, 'label'];
    const filled = typeof label === 'string' ? fillTemplates(label, at, context).value : '';
    const mayStore = isRecord(entry) && entry['mayStore'] === true;
    secrets.push({ name, label: String(filled), ...(mayStore && { mayStore }) });
  }
  return secrets;
}

const RETRY_CAUSES: readonly RetryCause[] = ['environment', 'timeout', 'exit'];

function readRetries(given: unknown): Pick<Draft, 'retries' | 'retryOn'> {
  const { times, on } = isRecord(given) ? given : { times: given, on: undefined };
  const retryOn = Array.isArray(on) ? RETRY_CAUSES.filter((cause) => on.includes(cause)) : undefined;
  // The schema check has reported everything that isn't sound.
  const isCount = typeof times === 'number' && Number.isInteger(times) && times >= 0;
  const isSound = isCount && (on === undefined || retryOn?.length === (on as unknown[]).length);
  return isSound && retryOn?.length !== 0 ? { retries: times, retryOn } : { retries: 0, retryOn: undefined };
}

/** The longest timeout of a Node timer; a longer one fires at once. */
const MAX_DURATION_MS = 2 ** 31 - 1;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function readTimeout(path: Path, text: unknown, report: Report): number | undefined {
  const ms = readDuration(path, text, report);
  if (ms === undefined || ms <= MAX_DURATION_MS) return ms;
  report({
    code: 'pipeline::bad-value',
    path,
    message: 'This timeout is longer than 24 days.',
    remedy: 'Write `24d` or less, or remove `timeout` for no limit.',
  });
  return undefined;
}

function readDuration(path: Path, text: unknown, report: Report): number | undefined {
  const match = typeof text === 'string' ? /^([0-9]{1,9})(ms|s|m|h|d)$/.exec(text) : null;
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
  if (ms > 0) return ms;
  report({
    code: 'pipeline::bad-value',
    path,
    message: 'This duration is zero.',
    remedy: 'Write a duration such as `90s` or `10m`, or remove the field.',
  });
  return undefined;
}

function readLimits(path: Path, section: unknown, report: Report): NodeLimits | undefined {
  if (!isRecord(section)) return undefined;
  const limits: { -readonly [K in keyof NodeLimits]: NodeLimits[K] } = {};
  if (typeof section['processes'] === 'number') limits.processes = section['processes'];
  for (const name of ['memory', 'disk'] as const) {
    const text = section[name];
    // The schema check has reported everything that isn't a size.
    if (typeof text !== 'string' || !/^\d/.test(text)) continue;
    const bytes = parseSize(text);
    if (bytes !== undefined) limits[name] = bytes;
    else {
      report({
        code: 'pipeline::bad-value',
        path: [...path, name],
        message: Number.parseInt(text, 10) === 0 ? 'This size is zero.' : 'This size is too large.',
        remedy: 'Write a size such as `512m` or `2g`, or remove the field.',
      });
    }
  }
  return limits;
}

/** Replaces `${config.NAME}` with the value. An entry that is only the placeholder of an array stands for its items. */
export function expandWrites(patterns: readonly string[], config: JSONObject): readonly string[] {
  return patterns.flatMap((pattern) => {
    const whole = /^\$\{config\.([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(pattern);
    if (whole) {
      const value = config[whole[1] ?? ''];
      if (Array.isArray(value)) return value.filter((item) => typeof item === 'string');
      return value === undefined || value === null ? [] : [String(value)];
    }
    let isComplete = true;
    const filled = pattern.replace(/\$\{config\.([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const value = config[name];
      if (value === undefined || value === null || typeof value === 'object') isComplete = false;
      return String(value);
    });
    return isComplete ? [filled] : [];
  });
}
