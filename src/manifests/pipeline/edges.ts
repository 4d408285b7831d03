// Edges: references, ports, types, and values that may be absent. Unaware of order and of what nodes write.

import type { JSONSchema } from '../json-schema.js';
import { describe, whyNotAssignable } from './assignable.js';
import { implies, type Guard } from './guards.js';
import type { NodeId, Reference } from './manifest.js';
import type { Draft } from './nodes.js';
import { isRecord, type Path, type Report, type Suggester } from './problem.js';
import { compilePattern } from '../text-pattern.js';

export interface Edge {
  /** Index of the producer. */
  readonly producer: number;
  readonly reference: Reference;
  readonly path: Path;
}
export interface Input {
  readonly port: string;
  readonly isList: boolean;
  readonly edges: readonly Edge[];
}

export interface EdgeContext {
  readonly drafts: readonly Draft[];
  readonly indexOf: ReadonlyMap<string, number>;
  readonly report: Report;
  readonly suggester: Suggester;
}

/** Resolves the references of a node's `inputs`; unknown nodes are reported, unknown ports later, with the types. */
export function readInputs(draft: Draft, context: EdgeContext): readonly Input[] {
  const section = draft.raw['inputs'];
  if (!isRecord(section)) return [];
  return Object.entries(section).flatMap(([port, value]): readonly Input[] => {
    const path: Path = [...draft.path, 'inputs', port];
    if (typeof value === 'string') {
      const edge = resolve(value, path, context);
      return [{ port, isList: false, edges: edge ? [edge] : [] }];
    }
    if (!Array.isArray(value)) return [];
    const edges = value.flatMap((item: unknown, index) =>
      typeof item === 'string' ? (resolve(item, [...path, index], context) ?? []) : [],
    );
    return [{ port, isList: true, edges }];
  });
}

function resolve(text: string, path: Path, { indexOf, report, suggester }: EdgeContext): Edge | undefined {
  const match = /^([a-z][a-z0-9_-]*)\.([A-Za-z_][A-Za-z0-9_-]*)$/.exec(text);
  const [, node = '', port = ''] = match ?? [];
  if (match === null) return undefined;
  const producer = indexOf.get(node);
  if (producer !== undefined) return { producer, reference: { node: node as NodeId, port }, path };
  report({
    code: 'pipeline::unknown-node',
    path,
    span: { start: 0, end: node.length },
    message: `There is no node \`${node}\`.`,
    remedy: suggester.remedy(node, indexOf.keys(), 'node'),
  });
  return undefined;
}

export function readAfter(draft: Draft, { indexOf, report, suggester }: EdgeContext): readonly number[] {
  const section = draft.raw['after'];
  if (!Array.isArray(section)) return [];
  return section.flatMap((name: unknown, index) => {
    if (typeof name !== 'string' || !/^[a-z][a-z0-9_-]*$/.test(name)) return [];
    const found = indexOf.get(name);
    if (found !== undefined) return [found];
    report({
      code: 'pipeline::unknown-node',
      path: [...draft.path, 'after', index],
      message: `There is no node \`${name}\`.`,
      remedy: suggester.remedy(name, indexOf.keys(), 'node'),
    });
    return [];
  });
}

/** The schema of a port, also where a kind takes ports it does not name; undefined when there is none. */
export function portOf(ports: JSONSchema, name: string): unknown {
  if (ports.properties && Object.hasOwn(ports.properties, name)) return ports.properties[name];
  if (ports.patternProperties) {
    for (const [pattern, schema] of Object.entries(ports.patternProperties)) {
      if (compilePattern(pattern)?.test(name) === true) return schema;
    }
  }
  if (ports.additionalProperties === false) return undefined;
  return ports.additionalProperties === undefined || ports.additionalProperties === true
    ? {}
    : ports.additionalProperties;
}
export const portNames = (ports: JSONSchema): readonly string[] => Object.keys(ports.properties ?? {});

/** Types of outputs, where those of an alias (`x-type-of`) are the types of what feeds it. Call in topological order. */
export class OutputTypes {
  private readonly known = new Map<string, unknown>();

  constructor(
    private readonly drafts: readonly Draft[],
    private readonly inputs: readonly (readonly Input[])[],
  ) {}

  of = (node: number, port: string): unknown => {
    const kind = this.drafts[node]?.kind;
    const schema = kind && portOf(kind.manifest.outputs, port);
    if (!isRecord(schema) || typeof schema['x-type-of'] !== 'string') return schema;
    const identity = `${node}.${port}`;
    if (this.known.has(identity)) return this.known.get(identity);
    this.known.set(identity, {}); // stands for anything, should the alias feed itself
    const source = this.inputs[node]?.find((input) => input.port === schema['x-type-of']);
    const types = new Set((source?.edges ?? []).map((edge) => this.of(edge.producer, edge.reference.port)));
    types.delete(undefined);
    const [first] = types;
    const type = types.size === 0 ? {} : types.size === 1 ? first : { anyOf: [...types] };
    this.known.set(identity, type);
    return type;
  };
}

/** Ports and types of one node's inputs. Returns the ports whose values may be absent. */
export function checkInputs(
  draft: Draft,
  inputs: readonly Input[],
  types: OutputTypes,
  guards: ReadonlyMap<number, Guard>,
  { drafts, report, suggester }: EdgeContext,
): readonly string[] {
  const { kind } = draft;
  for (const { edges } of inputs) for (const edge of edges) checkOutput(edge, drafts, report, suggester);
  if (kind === undefined) return [];
  const schema = kind.manifest.inputs;
  const required = new Set<unknown>([...(schema.required ?? []), ...neededFor(schema, draft.config)]);
  for (const port of required) {
    const target = portOf(schema, String(port));
    if (inputs.some((input) => input.port === port)) continue;
    if (isRecord(draft.raw['inputs']) && Object.hasOwn(draft.raw['inputs'], String(port))) continue;
    report({
      code: 'pipeline::missing-input',
      path: draft.raw['inputs'] === undefined ? draft.path : [...draft.path, 'inputs'],
      atKey: true,
      message: `The node \`${draft.id}\` lacks the input \`${String(port)}\`.`,
      reason: `The kind \`${kind.manifest.kind}\` needs ${describe(target)} there.`,
      remedy: `Add \`inputs: { ${String(port)}: NODE.PORT }\`.`,
    });
  }
  const mayBeAbsent: string[] = [];
  for (const input of inputs) {
    const { port, isList, edges } = input;
    const target = portOf(schema, port);
    const path: Path = [...draft.path, 'inputs', port];
    if (target === undefined) {
      report({
        code: 'pipeline::unknown-port',
        path,
        atKey: true,
        message: `The kind \`${kind.manifest.kind}\` has no input \`${port}\`.`,
        remedy: suggester.remedy(port, portNames(schema), 'input'),
      });
      continue;
    }
    if (isList && !takesList(target)) {
      report({
        code: 'pipeline::type-mismatch',
        path,
        message: `The input \`${port}\` takes one value, not a list.`,
        remedy: 'Name one output, without brackets. To take whichever of several nodes ran, put a `first-of` between.',
      });
      continue;
    }
    const accepted = isList ? itemsOf(target) : target;
    let isAbsent = false;
    for (const edge of edges) {
      checkType(edge, accepted, draft, input, target, types, drafts, report);
      if (checkPresence(edge, draft, input, target, required.has(port), guards, drafts, report)) isAbsent = true;
    }
    if (isAbsent) mayBeAbsent.push(port);
  }
  return mayBeAbsent;
}

function checkOutput(
  { producer, reference, path }: Edge,
  drafts: readonly Draft[],
  report: Report,
  suggester: Suggester,
): void {
  const kind = drafts[producer]?.kind;
  if (kind === undefined || portOf(kind.manifest.outputs, reference.port) !== undefined) return;
  report({
    code: 'pipeline::unknown-port',
    path,
    span: { start: reference.node.length + 1, end: reference.node.length + 1 + reference.port.length },
    message: `\`${reference.node}\` has no output \`${reference.port}\`.`,
    remedy: suggester.remedy(reference.port, portNames(kind.manifest.outputs), 'output'),
  });
}

function checkType(
  { producer, reference, path }: Edge,
  accepted: unknown,
  draft: Draft,
  { port, isList }: Input,
  target: unknown,
  types: OutputTypes,
  drafts: readonly Draft[],
  report: Report,
): void {
  const given = types.of(producer, reference.port);
  if (given === undefined) return;
  const reason = whyNotAssignable(given, accepted);
  if (reason === undefined) return;
  const name = `${reference.node}.${reference.port}`;
  const fitsAsEntry = !isList && takesList(target) && whyNotAssignable(given, itemsOf(target)) === undefined;
  report({
    code: 'pipeline::type-mismatch',
    path,
    message: `\`${name}\` does not fit the input \`${port}\` of \`${draft.id}\`.`,
    reason: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`,
    remedy: fitsAsEntry
      ? `The input takes a list: write \`[${name}]\`.`
      : remedyOfType(reference, accepted, drafts[producer], (other) => types.of(producer, other)),
  });
}

/** Another output of the same node may be what was meant. */
function remedyOfType(
  { node }: Reference,
  accepted: unknown,
  producer: Draft | undefined,
  typeOf: (port: string) => unknown,
): string {
  const outputs = producer?.kind?.manifest.outputs;
  const fitting = outputs
    ? portNames(outputs).filter((port) => whyNotAssignable(typeOf(port), accepted) === undefined)
    : [];
  const [first] = fitting;
  if (first === undefined) return `Take an output of another node: ${describe(accepted)}.`;
  return fitting.length === 1
    ? `Did you mean \`${node}.${first}\`?`
    : `Outputs that fit: ${fitting.map((port) => `\`${node}.${port}\``).join(', ')}.`;
}

/** True when the value may be absent, and may be so. */
function checkPresence(
  { producer, reference, path }: Edge,
  draft: Draft,
  { port, isList }: Input,
  target: unknown,
  isRequired: boolean,
  guards: ReadonlyMap<number, Guard>,
  drafts: readonly Draft[],
  report: Report,
): boolean {
  const from = drafts[producer];
  const guard = guards.get(producer);
  const isSkippable =
    typeof from?.raw['when'] === 'string' && !(guard && implies(guards.get(draft.index), guard, from.id));
  const outputs = from?.kind?.manifest.outputs;
  const isKnown = outputs !== undefined && portOf(outputs, reference.port) !== undefined;
  const isOptional = isKnown && !(outputs.required ?? []).includes(reference.port);
  if (!isSkippable && !isOptional) return false;
  const tolerates = marksAbsent(target) || (isList && marksAbsent(itemsOf(target)));
  if (tolerates || (!isRequired && !isList)) return true;
  const name = `${reference.node}.${reference.port}`;
  if (!isSkippable) {
    report({
      code: 'pipeline::may-be-absent',
      path,
      message: `\`${name}\` may be absent, but the input \`${port}\` needs a value.`,
      reason: `The kind \`${from?.kind?.manifest.kind}\` does not always give it.`,
      remedy: 'Take an output that is always there.',
    });
    return false;
  }
  report({
    code: 'pipeline::may-be-skipped',
    path,
    message: `\`${reference.node}\` may be skipped, but the input \`${port}\` of \`${draft.id}\` needs its value.`,
    reason: `\`${reference.node}\` runs only when ${guard?.expression.trim() ?? 'its `when` holds'}.`,
    remedy: `Give \`${draft.id}\` the same \`when\`, or put a \`first-of\` between them.`,
  });
  return false;
}

/** Ports that this config makes required. */
const neededFor = (schema: JSONSchema, config: Readonly<Record<string, unknown>>): readonly string[] =>
  portNames(schema).filter((port) => {
    const target = portOf(schema, port);
    const when = isRecord(target) ? target['x-needed-when'] : undefined;
    return isRecord(when) && Object.entries(when).every(([field, value]) => config[field] === value);
  });

const marksAbsent = (schema: unknown): boolean => isRecord(schema) && schema['x-may-be-absent'] === true;

function takesList(schema: unknown): boolean {
  if (!isRecord(schema)) return schema === true;
  const { type, anyOf, oneOf } = schema;
  const choices = anyOf ?? oneOf;
  if (Array.isArray(choices)) return choices.some(takesList);
  return type === undefined || type === 'array' || (Array.isArray(type) && type.includes('array'));
}

function itemsOf(schema: unknown): unknown {
  if (!isRecord(schema)) return {};
  const choices = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(choices)) return itemsOf(choices.find((choice) => isRecord(choice) && choice['type'] === 'array'));
  return schema['items'] ?? {};
}
