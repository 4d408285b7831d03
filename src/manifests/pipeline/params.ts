// The params of a pipeline: declared, given on the command line, filled into templates. Unaware of plugins.

import type { JSONObject, JSONValue } from '../json-schema.js';
import type { RunFacts } from './manifest.js';
import { compilePattern, whyNoPattern } from '../text-pattern.js';
import { accepts, describe, hasType } from './assignable.js';
import { isRecord, nameOfType, type Path, type Report, type Suggester } from './problem.js';

export interface Params {
  /** Values by name; those that are missing or wrong are left out. */
  readonly values: JSONObject;
  /** Declared, whether or not there is a value. */
  readonly declared: ReadonlyMap<string, { readonly type: string; readonly items?: unknown }>;
  readonly used: Set<string>;
}

const TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'number', 'boolean', 'array', 'object']);
export const RUN_FACTS = ['mode', 'os', 'arch'] as const;

export function readParams(
  section: unknown,
  given: Readonly<Record<string, string>>,
  mayMiss: boolean,
  report: Report,
  suggester: Suggester,
): Params {
  const declared = new Map<string, { type: string; items?: unknown }>();
  const values: Record<string, JSONValue> = {};
  for (const [name, declaration] of Object.entries(isRecord(section) ? section : {})) {
    if (!isRecord(declaration) || !TYPES.has(declaration['type'])) {
      declared.set(name, { type: 'any' }); // the schema's check tells
      continue;
    }
    const type = String(declaration['type']);
    declared.set(name, { type, ...(declaration['items'] !== undefined && { items: declaration['items'] }) });
    const path: Path = ['params', name];
    if (typeof declaration['pattern'] === 'string' && compilePattern(declaration['pattern']) === undefined) {
      report({
        code: 'pipeline::bad-value',
        path: [...path, 'pattern'],
        ...whyNoPattern(declaration['pattern']),
      });
      continue;
    }
    if (declaration['pattern'] !== undefined && type !== 'string') {
      report({
        code: 'pipeline::bad-value',
        path: [...path, 'pattern'],
        message: `A param of the type ${type} cannot have a pattern.`,
        remedy: 'Remove the pattern, or make the type `string`.',
      });
    }
    if (Array.isArray(declaration['enum'])) {
      for (const [index, value] of declaration['enum'].entries()) {
        if (hasType(value, type)) continue;
        report({
          code: 'pipeline::wrong-type',
          path: [...path, 'enum', index],
          message: `This choice is ${nameOfType(value)}, but the param is declared as ${type}.`,
          remedy: type === 'string' ? 'Put quotes around it.' : 'Change the choice or the type.',
        });
      }
    }
    const byHand = Object.hasOwn(given, name) ? given[name] : undefined;
    if (byHand !== undefined) {
      const value = parseGiven(byHand, type);
      const reason = value === undefined ? `It must be ${describe({ type })}.` : whyRefused(declaration, value);
      if (value !== undefined && reason === undefined) values[name] = value;
      else {
        report({
          code: 'pipeline::bad-param',
          path,
          atKey: true,
          message: `The value ${JSON.stringify(byHand)} given for the param \`${name}\` is not accepted.`,
          ...(reason !== undefined && { reason }),
          remedy:
            type === 'array' || type === 'object'
              ? `Give it as JSON, for example \`-p ${name}=${type === 'array' ? '\'["a","b"]\'' : '\'{"a":1}\''}\`.`
              : `Give another value with \`-p ${name}=VALUE\`.`,
        });
      }
    }
    if (Object.hasOwn(declaration, 'default')) {
      const value = declaration['default'] as JSONValue;
      const reason = whyRefused(declaration, value);
      if (reason !== undefined) {
        report({
          code: 'pipeline::bad-param',
          path: [...path, 'default'],
          message: `The default of \`${name}\` does not fit its own declaration.`,
          reason,
          remedy:
            type === 'string' && (typeof value === 'number' || typeof value === 'boolean')
              ? 'Put quotes around it, or change the declaration.'
              : 'Change the default or the declaration.',
        });
      } else if (byHand === undefined) values[name] = value;
    } else if (byHand === undefined && !mayMiss) {
      report({
        code: 'pipeline::missing-param',
        path,
        atKey: true,
        message: `The param \`${name}\` has no value.`,
        reason: 'It has no default, so every run must give one.',
        remedy: `Give it with \`-p ${name}=VALUE\`, or add a \`default\`.`,
      });
    }
  }
  for (const name of Object.keys(given)) {
    if (declared.has(name)) continue;
    report({
      code: 'pipeline::unknown-param',
      path: ['params'],
      atKey: true,
      message: `The command line gives a param \`${name}\` that the pipeline does not declare.`,
      remedy: suggester.remedy(name, declared.keys(), 'param'),
    });
  }
  return { values, declared, used: new Set() };
}

function whyRefused(declaration: Readonly<Record<string, unknown>>, value: unknown): string | undefined {
  const { type, enum: choices, pattern, items } = declaration;
  if (!hasType(value, type)) return `It is ${nameOfType(value)}, declared is ${describe({ type })}.`;
  if (Array.isArray(choices) && !accepts({ enum: choices }, value)) return `Allowed is ${describe({ enum: choices })}.`;
  if (typeof pattern === 'string' && typeof value === 'string' && !accepts({ pattern }, value)) {
    return `It does not match the pattern ${pattern}.`;
  }
  if (isRecord(items) && !accepts({ items }, value)) return `Every entry must be ${describe(items)}.`;
  return undefined;
}

/** As deep as a pipeline file may be. */
const MOST_DEEP = 64;

/** Whether JSON is nested deeper than that: everything that walks a value may then do it by recursion. */
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

export interface Filled {
  readonly value: JSONValue;
  /** Paths whose value is unknown because a template could not be filled. */
  readonly unknown: readonly Path[];
  /** Paths where a template is the whole text. */
  readonly wholes: readonly Path[];
}

/** A deep copy with templates filled. A template that is the whole text keeps its type. */
export function fillTemplates(
  value: unknown,
  path: Path,
  params: Params,
  run: RunFacts,
  report: Report,
  suggester: Suggester,
): Filled {
  const unknown: Path[] = [];
  const wholes: Path[] = [];
  const visit = (item: unknown, at: Path): JSONValue => {
    if (typeof item === 'string') {
      if (!item.includes('${{')) return item;
      const filled = fillText(item, at);
      if (filled !== undefined) return filled;
      unknown.push(at);
      return item;
    }
    if (Array.isArray(item)) return item.map((entry: unknown, index) => visit(entry, [...at, index]));
    if (isRecord(item)) {
      return Object.fromEntries(Object.entries(item).map(([key, entry]) => [key, visit(entry, [...at, key])]));
    }
    return item as JSONValue;
  };
  const fillText = (text: string, at: Path): JSONValue | undefined => {
    let isComplete = true;
    let whole: JSONValue | undefined;
    const complain = (span: { start: number; end: number }, message: string, remedy: string, reason?: string): void => {
      isComplete = false;
      report({
        code: 'pipeline::bad-template',
        path: at,
        span,
        message,
        remedy,
        ...(reason !== undefined && { reason }),
      });
    };
    let result = '';
    let last = 0;
    for (;;) {
      const open = text.indexOf('${{', last);
      if (open < 0) break;
      const close = text.indexOf('}}', open);
      if (close < 0) {
        complain({ start: open, end: text.length }, 'This template is not closed.', 'Close it with `}}`.');
        break;
      }
      const span = { start: open, end: close + 2 };
      const inner = text.slice(open + 3, close).trim();
      result += text.slice(last, open);
      last = close + 2;
      const isWhole = open === 0 && last === text.length;
      const value = lookUp(inner, span, complain);
      if (value === undefined) isComplete = false;
      else if (isWhole) {
        whole = value;
        wholes.push(at);
      } else if (typeof value === 'object') {
        complain(
          span,
          `\`${inner}\` is ${nameOfType(value)} and cannot be put into a text.`,
          'Make the template the whole value, so that it keeps its type.',
        );
      } else result += String(value);
    }
    if (!isComplete) return undefined;
    return whole ?? result + text.slice(last);
  };
  const lookUp = (
    inner: string,
    span: { start: number; end: number },
    complain: (span: { start: number; end: number }, message: string, remedy: string, reason?: string) => void,
  ): JSONValue | undefined => {
    const match = /^(params|run)\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(inner);
    if (match === null) {
      complain(
        span,
        `\`${inner}\` cannot be used in a template.`,
        'Write `${{ params.NAME }}` or `${{ run.mode }}`.',
        'Templates know only `params` and `run`; values of nodes travel through `inputs`.',
      );
      return undefined;
    }
    const [, space, name = ''] = match;
    if (space === 'run') {
      const fact = RUN_FACTS.find((known) => known === name);
      if (fact === undefined) {
        complain(span, `There is no \`run.${name}\`.`, suggester.remedy(name, RUN_FACTS, 'fact'));
        return undefined;
      }
      return run[fact];
    }
    if (!params.declared.has(name)) {
      complain(span, `There is no param \`${name}\`.`, suggester.remedy(name, params.declared.keys(), 'param'));
      return undefined;
    }
    params.used.add(name);
    return Object.hasOwn(params.values, name) ? params.values[name] : undefined;
  };
  return { value: visit(value, path), unknown, wholes };
}
