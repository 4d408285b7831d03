// Checks everything that a plugin's code hands to pyflow: its manifest, what `reads` and `run` return, failures, and requests
// to services. Nothing is trusted, and each complaint names the field.

import { closest } from '../../manifests/closest.js';
import { isKindName, type PluginManifest } from '../../manifests/plugin-manifest.js';
import { fail, hasCode, succeed, type Failure, type Result } from '../failure.js';
import { isTable } from '../files/untrusted-json.js';
import type { Reads, RunOutput } from '../sdk.js';

/** What is wrong with a value, as the end of a sentence; undefined if it is fine. */
type Check = (value: unknown) => string | undefined;
interface Field {
  readonly check: Check;
  readonly isOptional?: true;
}
type Fields = Readonly<Record<string, Field>>;

const required = (check: Check): Field => ({ check });
const optional = (check: Check): Field => ({ check, isOptional: true });

const MOST_SHOWN = 60;
function shown(value: unknown): string {
  if (value === undefined) return 'undefined';
  const text = JSON.stringify(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)} ...` : text;
}

const is =
  (holds: (value: unknown) => boolean, what: string): Check =>
  (value) =>
    holds(value) ? undefined : `must be ${what}, but is ${shown(value)}`;
const text = is((value) => typeof value === 'string', 'a string');
const filledText = is((value) => typeof value === 'string' && value.trim() !== '', 'a string that is not empty');
const flag = is((value) => typeof value === 'boolean', 'true or left out');
const object = is(isTable, 'an object');
const anything: Check = () => undefined;
const milliseconds = is(
  (value) => typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1,
  'a number of milliseconds above 0',
);
const oneOf = (...values: readonly string[]): Check =>
  is((value) => values.includes(value as string), `one of ${values.map((one) => `"${one}"`).join(', ')}`);
const listOf =
  (check: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return `must be a list, but is ${shown(value)}`;
    const wrong = value.findIndex((item) => check(item) !== undefined);
    return wrong < 0 ? undefined : `has an entry ${wrong} that ${check(value[wrong])}`;
  };
const path = is(
  (value) =>
    typeof value === 'string' &&
    value !== '' &&
    !value.startsWith('/') &&
    !value.includes('\0') &&
    !value.split('/').includes('..'),
  'a path inside the app, relative to it',
);

/** Complaints, one sentence each, with the name of the field. */
function problemsOf(value: unknown, fields: Fields, where: string): readonly string[] {
  if (!isTable(value)) return [`${where} must be an object, but is ${shown(value)}.`];
  const problems: string[] = [];
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(fields, name)) continue;
    const likely = closest(name, Object.keys(fields));
    const hint =
      likely === undefined ? `The fields are ${Object.keys(fields).join(', ')}.` : `Did you mean \`${likely}\`?`;
    problems.push(`${where} has no field \`${name}\`. ${hint}`);
  }
  for (const [name, { check, isOptional }] of Object.entries(fields)) {
    if (value[name] === undefined) {
      if (isOptional !== true) problems.push(`${where} lacks the field \`${name}\`.`);
      continue;
    }
    const wrong = check(value[name]);
    if (wrong !== undefined) problems.push(`\`${name}\` of ${where} ${wrong}.`);
  }
  return problems;
}

const POOL = /^[A-Za-z0-9][\w.-]*$/;

const MANIFEST: Fields = {
  kind: required(
    is(
      (value) => typeof value === 'string' && isKindName(value),
      'at most 60 lower-case letters and digits, with words joined by hyphens, such as "compile-assets"',
    ),
  ),
  revision: required(is((value) => Number.isSafeInteger(value) && (value as number) >= 0, 'a whole number')),
  description: required(filledText),
  config: required(object),
  inputs: required(object),
  outputs: required(object),
  writes: required(listOf(path)),
  reads: optional(listOf(path)),
  pure: optional(flag),
  network: optional(flag),
  buildsCode: optional(flag),
  usesBuilder: optional(flag),
  sideEffects: optional(flag),
  pool: optional(is((value) => typeof value === 'string' && POOL.test(value), 'the name of a pool')),
  timeoutMs: optional(milliseconds),
  expectedMs: optional(milliseconds),
  buildDataDuration: optional(filledText),
};

export function manifestProblems(manifest: unknown): readonly string[] {
  const problems = problemsOf(manifest, MANIFEST, 'the manifest');
  return problems.length > 0 ? problems : placeholderProblems(manifest as PluginManifest);
}

/** A placeholder for an unknown field of config would stay in the pattern unchanged. */
function placeholderProblems({ config, writes, reads = [], buildDataDuration }: PluginManifest): readonly string[] {
  const fields = Object.keys((config as { readonly properties?: object }).properties ?? {});
  return [...writes, ...reads, ...(buildDataDuration === undefined ? [] : [buildDataDuration])].flatMap((pattern) =>
    [...pattern.matchAll(/\$\{([^}]*)\}/g)].flatMap(([whole, name = '']) => {
      const field = /^config\.(\w+)(:file)?$/.exec(name)?.[1];
      if (field !== undefined && fields.includes(field)) return [];
      const likely = closest(name.replace(/^config\./, ''), fields);
      const hint = likely === undefined ? 'Write ${config.FIELD}.' : `Did you mean \`\${config.${likely}}\`?`;
      return [`\`${pattern}\` has the placeholder \`${whole}\`, but config has no such field. ${hint}`];
    }),
  );
}

const READS: Fields = {
  files: optional(listOf(path)),
  exists: optional(listOf(path)),
  facts: optional(anything),
  env: optional(listOf(is((value) => typeof value === 'string' && /^[^=\0]+$/.test(value), 'the name of a variable'))),
  scope: optional(oneOf('shared', 'app')),
  usesBuilder: optional((value) => (value === 'maybe' ? undefined : flag(value))),
  sideEffects: optional(flag),
  pure: optional(flag),
};
const DEGRADED: Fields = { reason: required(filledText), maxAgeMs: required(is(isPositive, 'a number above 0')) };
const OUTPUT: Fields = {
  outputs: required(object),
  degraded: optional((value) => problemsOf(value, DEGRADED, 'it').map((one) => `is wrong: ${one}`)[0]),
  scope: optional(oneOf('app')),
  usedBuilder: optional(flag),
  uncacheable: optional(filledText),
  state: optional(object),
};
const FAILURE: Fields = {
  code: required(
    is(
      (value) => typeof value === 'string' && /^[\w.-]+(::[\w.-]+)*$/.test(value) && value.length <= 200,
      'a code such as "kind::problem"',
    ),
  ),
  blame: required(oneOf('app', 'pipeline', 'internal', 'environment')),
  title: required(filledText),
  // It may be the output of a command, which can be empty.
  detail: required(text),
  remedy: required(filledText),
  subject: optional(text),
  known: optional(object),
  retryable: optional(flag),
};
/** Codes that only the engine may use. */
const isReserved = (failure: Pick<Failure, 'code'>): boolean =>
  hasCode(failure, 'cache::blob-lost', 'cache::layer-lost', 'plugin::interrupted');

function isPositive(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}

export interface Wrong {
  readonly problems: readonly string[];
  /** The plugin's own message, as far as it is readable. */
  readonly said?: string;
}

/** The value of a result, the failure in it, or what is wrong with its form. */
function unwrapped(value: unknown, method: string): Result<unknown, Failure | Wrong> {
  const wrong = (problem: string): Result<never, Wrong> => fail({ problems: [problem] });
  if (!isTable(value) || typeof value['ok'] !== 'boolean') {
    const given = isTable(value) ? `an object with ${fieldsOf(value)}` : shown(value);
    return wrong(`${method} returned ${given} instead of \`{ ok: true, value }\` or \`{ ok: false, failure }\`.`);
  }
  const field = value['ok'] ? 'value' : 'failure';
  const problems = problemsOf(value, { ok: required(anything), [field]: required(object) }, `what ${method} returned`);
  if (problems.length > 0) return fail({ problems });
  return value['ok'] ? succeed(value['value']) : checkedFailure(value['failure'], method);
}

const fieldsOf = (value: object): string => {
  const names = Object.keys(value).slice(0, 5);
  return names.length === 0 ? 'no fields' : names.map((name) => `\`${name}\``).join(', ');
};

export function checkedFailure(given: unknown, method: string): Result<never, Failure | Wrong> {
  const problems = problemsOf(given, FAILURE, `the failure that ${method} returned`);
  const { title, detail } = isTable(given) ? given : {};
  const said = [title, detail].filter((one) => typeof one === 'string' && one.trim() !== '').join('\n');
  if (problems.length > 0) return fail({ problems, ...(said === '' ? {} : { said }) });
  const { retryable, ...failure } = given as unknown as Omit<Failure, 'retryable'> & { readonly retryable?: boolean };
  if (isReserved(failure))
    return fail({ problems: [`\`code\` of the failure that ${method} returned is reserved: ${failure.code}.`], said });
  return fail(retryable === true ? { ...failure, retryable } : failure);
}

export const isWrong = (failure: Failure | Wrong): failure is Wrong => 'problems' in failure;

export function checkedReads(value: unknown): Result<Reads, Failure | Wrong> {
  return checked<Reads>(value, READS, 'reads');
}
export function checkedOutput(value: unknown): Result<RunOutput<unknown>, Failure | Wrong> {
  return checked<RunOutput<unknown>>(value, OUTPUT, 'run');
}

function checked<T>(value: unknown, fields: Fields, method: string): Result<T, Failure | Wrong> {
  const given = unwrapped(value, method);
  if (!given.ok) return given;
  const problems = problemsOf(given.value, fields, `the value that ${method} returned`);
  // A flag that is false means the same as a missing one.
  const kept = Object.entries(given.value as object).filter(([name, one]) => one !== false || name === 'facts');
  return problems.length > 0 ? fail({ problems }) : succeed(Object.fromEntries(kept) as T);
}

const environment = is(
  (value) => isTable(value) && Object.values(value).every((one) => typeof one === 'string' && !one.includes('\0')),
  'an object of strings',
);
const word = is((value) => typeof value === 'string' && !value.includes('\0'), 'a string');
const COMMAND: Fields = {
  argv: required((value) => (Array.isArray(value) && value.length === 0 ? 'names no program' : listOf(word)(value))),
  cwd: optional(word),
  env: optional(environment),
  network: optional(flag),
  keepLines: optional(is((value) => Number.isSafeInteger(value) && (value as number) > 0, 'a whole number above 0')),
  filtered: optional(flag),
};
const DOWNLOAD: Fields = {
  url: required(filledText),
  sha256: required(is((value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value), '64 hexadecimal digits')),
  sizeBytes: optional(is((value) => Number.isSafeInteger(value) && (value as number) >= 0, 'a whole number')),
};

export const commandProblem = (request: unknown): string | undefined =>
  problemsOf(request, COMMAND, 'the request to Subprocess')[0];
export const downloadProblem = (request: unknown): string | undefined =>
  problemsOf(request, DOWNLOAD, 'the request to Download')[0];
