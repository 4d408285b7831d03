// The params of a pipeline: declared in the file, given on the command line.

import type { JSONObject, JSONValue } from '../json-schema.js';
import { compilePattern, whyNoPattern } from '../text-pattern.js';
import { accepts, describe, hasType } from './assignable.js';
import { isRecord, nameOfType, type Path, type Problem, type Report, type Suggester } from './problem.js';

export interface Params {
  /** Values by name; those that are missing or wrong are left out. */
  readonly values: JSONObject;
  /** Declared, whether or not there is a value. */
  readonly declared: ReadonlyMap<string, { readonly type: string; readonly items?: unknown }>;
  readonly used: Set<string>;
}
interface GivenParams {
  /** `-p NAME=VALUE`, unparsed. */
  readonly params: Readonly<Record<string, string>>;
  readonly paramsMayMiss?: boolean;
}

const TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'number', 'boolean', 'array', 'object']);
export const RUN_FACTS = ['mode', 'os', 'arch'] as const;

/** A param whose type is one of the known ones. */
interface Declaration {
  readonly name: string;
  readonly type: string;
  readonly path: Path;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function readParams(section: unknown, given: GivenParams, report: Report, suggester: Suggester): Params {
  const declared = new Map<string, { type: string; items?: unknown }>();
  const values: Record<string, JSONValue> = {};
  for (const [name, fields] of Object.entries(isRecord(section) ? section : {})) {
    if (!isRecord(fields) || !TYPES.has(fields['type'])) {
      declared.set(name, { type: 'any' }); // the check of the schema reports it
      continue;
    }
    const type = String(fields['type']);
    declared.set(name, { type, ...(fields['items'] !== undefined && { items: fields['items'] }) });
    const value = readParam({ name, type, path: ['params', name], fields }, given, report);
    if (value !== undefined) values[name] = value;
  }
  for (const name of Object.keys(given.params)) {
    if (declared.has(name)) continue;
    report({
      code: 'pipeline::unknown-param',
      path: ['params'],
      atKey: true,
      message: `The command line sets the param \`${name}\`, which the pipeline does not declare.`,
      remedy: suggester.remedy(name, declared.keys(), 'param'),
    });
  }
  return { values, declared, used: new Set() };
}

/** Undefined when there is no value, or a wrong one. */
function readParam(param: Declaration, given: GivenParams, report: Report): JSONValue | undefined {
  if (!checkPattern(param, report)) return undefined;
  checkChoices(param, report);
  const { name, path, fields } = param;
  const text = Object.hasOwn(given.params, name) ? given.params[name] : undefined;
  const fromCommandLine = text === undefined ? undefined : readGiven(param, text, report);
  const fromFile = Object.hasOwn(fields, 'default') ? readDefault(param, report) : undefined;
  if (text !== undefined) return fromCommandLine;
  if (!Object.hasOwn(fields, 'default') && given.paramsMayMiss !== true) {
    report({
      code: 'pipeline::missing-param',
      path,
      atKey: true,
      message: `The param \`${name}\` has no value.`,
      reason: 'It has no default, so every run must pass a value.',
      remedy: `Pass it with \`-p ${name}=VALUE\`, or add a \`default\`.`,
    });
  }
  return fromFile;
}

/** False when the pattern can't be compiled, so that no value can be compared with it. */
function checkPattern({ type, path, fields }: Declaration, report: Report): boolean {
  const { pattern } = fields;
  const at: Path = [...path, 'pattern'];
  if (typeof pattern === 'string' && compilePattern(pattern) === undefined) {
    report({ code: 'pipeline::bad-value', path: at, ...whyNoPattern(pattern) });
    return false;
  }
  if (pattern !== undefined && type !== 'string') {
    report({
      code: 'pipeline::bad-value',
      path: at,
      message: `A param of type ${type} can't have a pattern.`,
      remedy: 'Remove `pattern`, or write `type: string`.',
    });
  }
  return true;
}

function checkChoices({ type, path, fields }: Declaration, report: Report): void {
  if (!Array.isArray(fields['enum'])) return;
  for (const [index, value] of fields['enum'].entries()) {
    if (hasType(value, type)) continue;
    report({
      code: 'pipeline::wrong-type',
      path: [...path, 'enum', index],
      message: `This choice is ${nameOfType(value)}, but the type of the param is ${type}.`,
      remedy: type === 'string' ? 'Put quotes around it.' : 'Change the choice or the type.',
    });
  }
}

function readGiven({ name, type, path, fields }: Declaration, text: string, report: Report): JSONValue | undefined {
  const value = parseGiven(text, type);
  const reason = value === undefined ? `It must be ${describe({ type })}.` : whyRefused(fields, value);
  if (reason === undefined) return value;
  report({
    code: 'pipeline::bad-param',
    path,
    atKey: true,
    message: `The value ${JSON.stringify(text)} is not valid for the param \`${name}\`.`,
    reason,
    remedy: `Pass ${exampleOf(name, type)}.`,
  });
  return undefined;
}

function exampleOf(name: string, type: string): string {
  switch (type) {
    case 'boolean':
      return `\`-p ${name}=true\` or \`-p ${name}=false\``;
    case 'array':
      return `it as JSON, for example \`-p ${name}='["a","b"]'\``;
    case 'object':
      return `it as JSON, for example \`-p ${name}='{"a":1}'\``;
    default:
      return `another value: \`-p ${name}=VALUE\``;
  }
}

function readDefault({ name, type, path, fields }: Declaration, report: Report): JSONValue | undefined {
  const value = fields['default'] as JSONValue;
  const reason = whyRefused(fields, value);
  if (reason === undefined) return value;
  report({
    code: 'pipeline::bad-param',
    path: [...path, 'default'],
    message: `The default of the param \`${name}\` does not match its declaration.`,
    reason,
    remedy:
      type === 'string' && (typeof value === 'number' || typeof value === 'boolean')
        ? 'Put quotes around it, or change the declaration.'
        : 'Change the default or the declaration.',
  });
  return undefined;
}

function whyRefused(declaration: Readonly<Record<string, unknown>>, value: unknown): string | undefined {
  const { type, enum: choices, pattern, items } = declaration;
  if (!hasType(value, type)) return `It is ${nameOfType(value)}, but the param is declared as ${describe({ type })}.`;
  if (Array.isArray(choices) && !accepts({ enum: choices }, value)) return `It must be ${describe({ enum: choices })}.`;
  if (typeof pattern === 'string' && typeof value === 'string' && !accepts({ pattern }, value)) {
    return `It does not match the pattern \`${pattern}\`.`;
  }
  if (isRecord(items) && !accepts({ items }, value)) return `Every entry must be ${describe(items)}.`;
  return undefined;
}

/** The same limit as for a pipeline file. */
const MOST_DEEP = 64;

/** Whether JSON is nested deeper than that. Thanks to this limit, code that walks a value may recurse. */
function isDeep(text: string): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (isText && char === '\\') at++;
    else if (char === '"') isText = !isText;
    else if (!isText && (char === '[' || char === '{') && ++depth > MOST_DEEP) return true;
    else if (!isText && (char === ']' || char === '}')) depth--;
  }
  return false;
}

function parseGiven(text: string, type: string): JSONValue | undefined {
  switch (type) {
    case 'string':
      return text;
    case 'integer':
      return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined;
    case 'number':
      return text.length < 400 &&
        /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) &&
        Number.isFinite(Number(text))
        ? Number(text)
        : undefined;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    default:
      if (isDeep(text)) return undefined;
      try {
        const value: unknown = JSON.parse(text);
        return hasType(value, type) ? (value as JSONValue) : undefined;
      } catch {
        return undefined;
      }
  }
}

/** Problems that may hide the only use of a param. With one of them, no param is reported as unused. */
const HIDES_READERS: ReadonlySet<string> = new Set([
  'pipeline::bad-template',
  'pipeline::duplicate-key',
  'pipeline::when-syntax',
  'pipeline::unknown-param',
  'pipeline::wrong-type',
]);

/** Call after everything that may use a param. */
export function reportUnusedParams({ declared, used }: Params, problems: readonly Problem[], report: Report): void {
  if (problems.some(({ code }) => HIDES_READERS.has(code))) return;
  for (const name of declared.keys()) {
    if (used.has(name)) continue;
    report({
      code: 'pipeline::unused-param',
      severity: 'warning',
      path: ['params', name],
      atKey: true,
      message: `The param \`${name}\` is never used.`,
      remedy: `Remove it, or use it: \`\${{ params.${name} }}\`.`,
    });
  }
}
