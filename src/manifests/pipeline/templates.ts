// Fills in templates: `${{ params.NAME }}` and `${{ run.NAME }}`.

import type { JSONValue } from '../json-schema.js';
import type { RunFacts } from './manifest.js';
import { RUN_FACTS, type Params } from './params.js';
import { isRecord, nameOfType, type Path, type Problem, type Report, type Suggester } from './problem.js';

export interface TemplateContext {
  readonly params: Params;
  readonly run: RunFacts;
  readonly report: Report;
  readonly suggester: Suggester;
}
export interface Filled {
  readonly value: JSONValue;
  /** Paths whose value is unknown because a template could not be filled. */
  readonly unknown: readonly Path[];
  /** Paths where a template is the whole text. */
  readonly wholes: readonly Path[];
}

/** A deep copy with templates filled. A template that is the whole text keeps its type. */
export function fillTemplates(value: unknown, path: Path, context: TemplateContext): Filled {
  const unknown: Path[] = [];
  const wholes: Path[] = [];
  const visit = (item: unknown, at: Path): JSONValue => {
    if (typeof item === 'string') {
      if (!item.includes(OPEN)) return item;
      const filled = fillText(item, at, context);
      if (filled?.isWhole) wholes.push(at);
      else if (filled === undefined) unknown.push(at);
      return filled?.value ?? item;
    }
    if (Array.isArray(item)) return item.map((entry: unknown, index) => visit(entry, [...at, index]));
    if (isRecord(item)) {
      return Object.fromEntries(Object.entries(item).map(([key, entry]) => [key, visit(entry, [...at, key])]));
    }
    return item as JSONValue;
  };
  return { value: visit(value, path), unknown, wholes };
}

const OPEN = '${{';
const CLOSE = '}}';

interface Template {
  readonly span: { readonly start: number; readonly end: number };
  /** Between the braces, without blanks around it; undefined when the template isn't closed. */
  readonly inner: string | undefined;
}

function* templatesIn(text: string): Generator<Template> {
  for (let start = text.indexOf(OPEN); start >= 0;) {
    const close = text.indexOf(CLOSE, start);
    if (close < 0) return yield { span: { start, end: text.length }, inner: undefined };
    const end = close + CLOSE.length;
    yield { span: { start, end }, inner: text.slice(start + OPEN.length, close).trim() };
    start = text.indexOf(OPEN, end);
  }
}

type Words = Pick<Problem, 'message' | 'reason' | 'remedy'>;

/** Undefined when a template of the text has no value. */
function fillText(
  text: string,
  at: Path,
  context: TemplateContext,
): { readonly value: JSONValue; readonly isWhole: boolean } | undefined {
  let isComplete = true;
  let filled = '';
  let last = 0;
  for (const { span, inner } of templatesIn(text)) {
    filled += text.slice(last, span.start);
    last = span.end;
    const isWhole = span.start === 0 && span.end === text.length;
    const { value, problem } = inner === undefined ? UNCLOSED : lookUp(inner, isWhole, context);
    if (problem !== undefined) context.report({ code: 'pipeline::bad-template', path: at, span, ...problem });
    if (value === undefined) isComplete = false;
    else if (isWhole) return { value, isWhole };
    else filled += String(value);
  }
  return isComplete ? { value: filled + text.slice(last), isWhole: false } : undefined;
}

/** Without both, the param has no value, which is reported elsewhere. */
interface Found {
  readonly value?: JSONValue | undefined;
  readonly problem?: Words;
}

const UNCLOSED: Found = {
  problem: { message: 'This template has no closing `}}`.', remedy: 'Add `}}` after the name.' },
};

function lookUp(inner: string, isWhole: boolean, { params, run, suggester }: TemplateContext): Found {
  const match = /^(params|run)\.([A-Za-z_][A-Za-z0-9_]*)$/.exec(inner);
  if (match === null) {
    return {
      problem: {
        message: `\`${inner}\` can't be used in a template.`,
        reason: 'Templates can read only `params` and `run`. To use an output of another node, name it in `inputs`.',
        remedy: 'Write `${{ params.NAME }}` or `${{ run.mode }}`.',
      },
    };
  }
  const [, space, name = ''] = match;
  if (space === 'run') {
    const fact = RUN_FACTS.find((known) => known === name);
    if (fact !== undefined) return { value: run[fact] };
    return {
      problem: { message: `There is no \`run.${name}\`.`, remedy: suggester.remedy(name, RUN_FACTS, 'fact') },
    };
  }
  if (!params.declared.has(name)) {
    const remedy = suggester.remedy(name, params.declared.keys(), 'param');
    return { problem: { message: `There is no param \`${name}\`.`, remedy } };
  }
  params.used.add(name);
  const value = Object.hasOwn(params.values, name) ? params.values[name] : undefined;
  if (isWhole || typeof value !== 'object') return { value };
  return {
    problem: {
      message: `\`${inner}\` is ${nameOfType(value)}, which can't be inserted into a string.`,
      remedy: `Make the template the whole value: \`"\${{ ${inner} }}"\`.`,
    },
  };
}
