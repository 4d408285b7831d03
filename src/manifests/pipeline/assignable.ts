// Decides whether every value of one schema is also a value of another. Compares types, enum and const, items, properties
// and the formats of trees. Producers seldom state limits within a type (pattern, minimum, length), so those are checked on
// the value at run time.

import { canonicalJSON } from '../json-schema.js';
import { compilePattern } from '../text-pattern.js';

type Schema = Readonly<Record<string, unknown>>;
const TREE_FORMATS: ReadonlySet<unknown> = new Set(['output-tree', 'tool-tree']);
const ANYTHING: Schema = {};

const answers = new WeakMap<object, WeakMap<object, { readonly reason: string | undefined }>>();

/** Undefined when assignable, otherwise the reason why not. */
export function whyNotAssignable(from: unknown, to: unknown): string | undefined {
  if (from === to) return undefined;
  if (typeof from !== 'object' || from === null || typeof to !== 'object' || to === null) return compare(from, to, '');
  // There are few manifests and many nodes, so the same two schemas are compared thousands of times.
  const known = answers.get(from)?.get(to);
  if (known) return known.reason;
  const reason = compare(from, to, '');
  if (!answers.has(from)) answers.set(from, new WeakMap());
  answers.get(from)?.set(to, { reason });
  return reason;
}

function compare(fromAny: unknown, toAny: unknown, at: string): string | undefined {
  if (fromAny === toAny || toAny === true || fromAny === false) return undefined;
  if (toAny === false) return `no value is accepted${within(at)}`;
  const from = asSchema(fromAny);
  const to = asSchema(toAny);
  if (acceptsEverything(to) || canonicalJSON(from) === canonicalJSON(to)) return undefined;

  const wholes = list(to['allOf']);
  for (const part of wholes) {
    const reason = compare(from, part, at);
    if (reason !== undefined) return reason;
  }
  const branches = branchesOf(from);
  if (branches.length > 1) {
    for (const branch of branches) {
      const reason = compare(branch, to, at);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }
  const choices = branchesOf(to);
  if (choices.length > 1) {
    const reasons = choices.map((choice) => compare(from, choice, at));
    if (reasons.includes(undefined)) return undefined;
    return mismatch(from, to, at);
  }
  return compareSimple(branches[0] ?? from, choices[0] ?? to, at);
}

function compareSimple(from: Schema, to: Schema, at: string): string | undefined {
  const values = valuesOf(from);
  if (values !== undefined) {
    const refused = values.find((value) => !accepts(to, value));
    if (refused !== undefined) return `expected ${describe(to)}${within(at)}, but it can be ${JSON.stringify(refused)}`;
    if (values.length > 0 && !TREE_FORMATS.has(to['format'])) return undefined;
  }
  const wanted = valuesOf(to);
  if (wanted !== undefined && values === undefined) {
    return mismatch(from, to, at);
  }
  const fromType = from['type'];
  const toType = to['type'];
  if (toType !== undefined && fromType !== toType && !(fromType === 'integer' && toType === 'number')) {
    return mismatch(from, to, at);
  }
  if ((TREE_FORMATS.has(from['format']) || TREE_FORMATS.has(to['format'])) && from['format'] !== to['format']) {
    if (toType === undefined && to['format'] === undefined) return undefined;
    return mismatch(from, to, at);
  }
  if (toType === 'array') return compareItems(from, to, at);
  if (toType === 'object') return compareProperties(from, to, at);
  return undefined;
}

function compareItems(from: Schema, to: Schema, at: string): string | undefined {
  const fromFirst = list(from['prefixItems']);
  const toFirst = list(to['prefixItems']);
  for (let index = 0; index < Math.max(fromFirst.length, toFirst.length); index++) {
    const reason = compare(
      fromFirst[index] ?? from['items'] ?? ANYTHING,
      toFirst[index] ?? to['items'] ?? ANYTHING,
      `${at}[${index}]`,
    );
    if (reason !== undefined) return reason;
  }
  if (from['items'] === false) return undefined;
  return compare(from['items'] ?? ANYTHING, to['items'] ?? ANYTHING, `${at}[]`);
}

function compareProperties(from: Schema, to: Schema, at: string): string | undefined {
  const fromFields = fields(from);
  const toFields = fields(to);
  const surely = new Set(list(from['required']));
  for (const name of list(to['required'])) {
    if (surely.has(name)) continue;
    const known = typeof name === 'string' && Object.hasOwn(fromFields, name);
    return `the field \`${join(at, String(name))}\` is required, but ${known ? 'may be missing' : 'is missing'}`;
  }
  const rest = to['additionalProperties'];
  const isOpenEnded = (schema: Schema): boolean => schema['patternProperties'] !== undefined;
  for (const [name, schema] of Object.entries(fromFields)) {
    const target = Object.hasOwn(toFields, name) ? toFields[name] : isOpenEnded(to) ? true : (rest ?? true);
    if (target === false) return `the field \`${join(at, name)}\` is not accepted`;
    const reason = compare(schema, target, join(at, name));
    if (reason !== undefined) return reason;
  }
  const more = from['additionalProperties'] ?? true;
  if (more === false) return undefined;
  if (rest === false && !isOpenEnded(to)) return `the value can have extra fields${within(at)}, which are not accepted`;
  // The producer may still send fields that it does not name and the consumer restricts.
  for (const [name, schema] of Object.entries(toFields)) {
    if (Object.hasOwn(fromFields, name)) continue;
    const reason = compare(more, schema, join(at, name));
    if (reason !== undefined) return reason;
  }
  return rest === undefined || rest === true || isOpenEnded(to) ? undefined : compare(more, rest, `${at}.*`);
}

/** Alternatives of a schema: `anyOf`, `oneOf`, and lists of types. */
function branchesOf(schema: Schema): readonly Schema[] {
  const alternatives = list(schema['anyOf'] ?? schema['oneOf']);
  if (alternatives.length > 0) {
    const { anyOf: _, oneOf: __, ...rest } = schema;
    return alternatives.flatMap((branch) => branchesOf({ ...rest, ...asSchema(branch) }));
  }
  const types = schema['type'];
  if (Array.isArray(types)) {
    const values = valuesOf(schema);
    if (values !== undefined) return [schema];
    return types.map((type: unknown) => ({ ...schema, type }));
  }
  return [schema];
}

/** A small validator for the values of enums, consts, params and defaults. */
export function accepts(schemaAny: unknown, value: unknown): boolean {
  if (typeof schemaAny === 'boolean') return schemaAny;
  const schema = asSchema(schemaAny);
  const types = schema['type'] === undefined ? [] : Array.isArray(schema['type']) ? schema['type'] : [schema['type']];
  if (types.length > 0 && !types.some((type: unknown) => hasType(value, type))) return false;
  const values = valuesOf(schema);
  if (values !== undefined && !values.some((item) => canonicalJSON(item) === canonicalJSON(value))) return false;
  if (typeof value === 'string') {
    if (typeof schema['minLength'] === 'number' && value.length < schema['minLength']) return false;
    if (typeof schema['maxLength'] === 'number' && value.length > schema['maxLength']) return false;
    if (typeof schema['pattern'] === 'string' && !compilePattern(schema['pattern'])?.test(value)) return false;
  }
  if (typeof value === 'number') {
    if (typeof schema['minimum'] === 'number' && value < schema['minimum']) return false;
    if (typeof schema['maximum'] === 'number' && value > schema['maximum']) return false;
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items !== undefined && !value.every((item) => accepts(items, item))) return false;
  } else if (typeof value === 'object' && value !== null) {
    const known = fields(schema);
    if (list(schema['required']).some((name) => typeof name === 'string' && !Object.hasOwn(value, name))) return false;
    for (const [name, item] of Object.entries(value)) {
      const own = Object.hasOwn(known, name) ? known[name] : (schema['additionalProperties'] ?? true);
      if (!accepts(own, item)) return false;
    }
  }
  const choices = list(schema['anyOf'] ?? schema['oneOf']);
  if (choices.length > 0 && !choices.some((choice) => accepts(choice, value))) return false;
  return list(schema['allOf']).every((part) => accepts(part, value));
}

export function hasType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'null':
      return value === null;
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

/** Describes a schema in words: `a string`, `one of "a", "b"`, `a list of numbers`. */
export function describe(schemaAny: unknown): string {
  const schema = asSchema(schemaAny);
  const values = valuesOf(schema);
  if (values !== undefined) {
    const shown = values.slice(0, 8).map((value) => JSON.stringify(value));
    const more = values.length > shown.length ? ', ...' : '';
    return values.length === 1 ? `${shown[0]}` : `one of ${shown.join(', ')}${more}`;
  }
  const branches = branchesOf(schema);
  if (branches.length > 1) return [...new Set(branches.map(describe))].join(' or ');
  const single = branches[0] ?? schema;
  switch (single['type']) {
    case 'string':
      if (single['format'] === 'output-tree') return 'an output tree';
      if (single['format'] === 'tool-tree') return 'a tool tree';
      return 'a string';
    case 'integer':
      return 'an integer';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'a boolean';
    case 'null':
      return 'null';
    case 'array':
      return describeList(single['items']);
    case 'object':
      return 'a mapping';
    default:
      return 'any value';
  }
}

function describeList(items: unknown): string {
  if (items === undefined || acceptsEverything(asSchema(items))) return 'a list';
  const entry = describe(items);
  const noun = /^an? ([a-z ]+)$/.exec(entry)?.[1];
  return noun === undefined || noun.includes(' or ') ? `a list (each entry ${entry})` : `a list of ${noun}s`;
}

const asSchema = (schema: unknown): Schema =>
  typeof schema === 'object' && schema !== null && !Array.isArray(schema) ? (schema as Schema) : ANYTHING;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const fields = (schema: Schema): Schema => asSchema(schema['properties']);
const join = (at: string, name: string): string => (at === '' ? name : `${at}.${name}`);
const within = (at: string): string => (at === '' ? '' : at === '[]' ? ' in each entry' : ` in \`${at}\``);
const mismatch = (from: Schema, to: Schema, at: string): string =>
  `expected ${describe(to)}${within(at)}, got ${describe(from)}`;

function valuesOf(schema: Schema): readonly unknown[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined;
}

const TELLING = [
  'type',
  'enum',
  'const',
  'anyOf',
  'oneOf',
  'allOf',
  'format',
  'properties',
  'items',
  'required',
  'not',
  '$ref',
];
const acceptsEverything = (schema: Schema): boolean => !TELLING.some((keyword) => schema[keyword] !== undefined);
