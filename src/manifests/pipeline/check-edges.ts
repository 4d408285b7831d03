// Checks edges where they meet inputs: ports, types, and values that may be absent.

import type { JSONSchema } from '../json-schema.js';
import type { KnownKind } from '../plugin-manifest.js';
import { describe, whyNotAssignable } from './assignable.js';
import type { CheckContext } from './check-context.js';
import type { Edge, Input } from './edges.js';
import { implies } from './guards.js';
import type { Draft } from './nodes.js';
import { portNames, portOf, type OutputTypes } from './ports.js';
import { isRecord, type Path } from './problem.js';
import type { Wiring } from './wiring.js';

interface EdgeContext extends CheckContext {
  readonly types: OutputTypes;
  readonly guards: Wiring['guards'];
}

/** An input of a node whose kind is known. */
interface InputUse extends Input {
  readonly consumer: Draft;
  readonly path: Path;
  /** Schema of the port. */
  readonly target: unknown;
  /** Schema of what one edge brings: the port's own, or that of its entries. */
  readonly accepted: unknown;
  readonly isRequired: boolean;
}

/** Checks ports and types of one node's inputs. Returns the input ports whose values may be absent. */
export function checkInputs(
  draft: Draft,
  wiring: Wiring,
  types: OutputTypes,
  checkContext: CheckContext,
): readonly string[] {
  const context: EdgeContext = { ...checkContext, types, guards: wiring.guards };
  const inputs = wiring.inputs[draft.index] ?? [];
  for (const { edges } of inputs) for (const edge of edges) checkOutput(edge, context);
  const { kind } = draft;
  if (kind === undefined) return [];
  const required = requiredPorts(kind.manifest.inputs, draft.config);
  reportMissingInputs(draft, kind, required, context);
  return inputs.flatMap((input) => {
    const use = useOf(input, draft, kind, required, context);
    return use !== undefined && checkUse(use, context) ? [input.port] : [];
  });
}

function checkOutput({ producer, reference, path }: Edge, { drafts, report, suggester }: EdgeContext): void {
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

/** Also the ports that this config makes required. */
function requiredPorts(schema: JSONSchema, config: Draft['config']): ReadonlySet<string> {
  const byConfig = portNames(schema).filter((port) => {
    const target = portOf(schema, port);
    const when = isRecord(target) ? target['x-needed-when'] : undefined;
    return isRecord(when) && Object.entries(when).every(([field, value]) => config[field] === value);
  });
  return new Set([...(schema.required ?? []), ...byConfig]);
}

function reportMissingInputs(
  draft: Draft,
  kind: KnownKind,
  required: ReadonlySet<string>,
  { report }: EdgeContext,
): void {
  const section = draft.raw['inputs'];
  for (const port of required) {
    if (isRecord(section) && Object.hasOwn(section, port)) continue;
    const wanted = describe(portOf(kind.manifest.inputs, port));
    report({
      code: 'pipeline::missing-input',
      path: section === undefined ? draft.path : [...draft.path, 'inputs'],
      atKey: true,
      message: `The node \`${draft.id}\` is missing the input \`${port}\`.`,
      reason: `The kind \`${kind.manifest.kind}\` requires this input: ${wanted}.`,
      remedy: isRecord(section)
        ? `Add \`${port}: NODE.PORT\` to \`inputs\`.`
        : `Add \`inputs: { ${port}: NODE.PORT }\`.`,
    });
  }
}

/** Undefined, and reported, when the kind has no such input or it can't be a list. */
function useOf(
  input: Input,
  consumer: Draft,
  { manifest }: KnownKind,
  required: ReadonlySet<string>,
  { report, suggester }: EdgeContext,
): InputUse | undefined {
  const { port, isList } = input;
  const target = portOf(manifest.inputs, port);
  const path: Path = [...consumer.path, 'inputs', port];
  if (target === undefined) {
    report({
      code: 'pipeline::unknown-port',
      path,
      atKey: true,
      message: `The kind \`${manifest.kind}\` has no input \`${port}\`.`,
      remedy: suggester.remedy(port, portNames(manifest.inputs), 'input'),
    });
    return undefined;
  }
  if (isList && !takesList(target)) {
    report({
      code: 'pipeline::type-mismatch',
      path,
      message: `The input \`${port}\` accepts a single value, not a list.`,
      remedy: `Write one output without brackets: \`${port}: NODE.PORT\`. To use the output of whichever node ran, add a \`first-of\` node and use its output.`,
    });
    return undefined;
  }
  return {
    ...input,
    consumer,
    path,
    target,
    accepted: isList ? itemsOf(target) : target,
    isRequired: required.has(port),
  };
}

/** True when the input may end up without a value, and accepts that. */
function checkUse(use: InputUse, context: EdgeContext): boolean {
  let mayBeAbsent = false;
  for (const edge of use.edges) {
    checkType(edge, use, context);
    if (checkPresence(edge, use, context)) mayBeAbsent = true;
  }
  return mayBeAbsent;
}

function checkType({ producer, reference, path }: Edge, use: InputUse, context: EdgeContext): void {
  const { accepted, isList, port, target, consumer } = use;
  const given = context.types.of(producer, reference.port);
  if (given === undefined) return;
  const reason = whyNotAssignable(given, accepted);
  if (reason === undefined) return;
  const name = `${reference.node}.${reference.port}`;
  const fitsAsEntry = !isList && takesList(target) && whyNotAssignable(given, itemsOf(target)) === undefined;
  context.report({
    code: 'pipeline::type-mismatch',
    path,
    message: `\`${name}\` has the wrong type for the input \`${port}\` of \`${consumer.id}\`.`,
    reason: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`,
    remedy: fitsAsEntry
      ? `The input accepts a list: write \`${port}: [${name}]\`.`
      : fittingOutputs(producer, accepted, context),
  });
}

/** Another output of the same node may be the intended one. */
function fittingOutputs(producer: number, accepted: unknown, { types, drafts }: EdgeContext): string {
  const node = drafts[producer]?.id;
  const fitting = types
    .portsOf(producer)
    .filter((port) => whyNotAssignable(types.of(producer, port), accepted) === undefined);
  const [first] = fitting;
  if (first === undefined) return `Use a different output: ${describe(accepted)}.`;
  return fitting.length === 1
    ? `Did you mean \`${node}.${first}\`?`
    : `Use one of ${fitting.map((port) => `\`${node}.${port}\``).join(', ')}.`;
}

/** True when the value may be absent, and the input accepts that. */
function checkPresence({ producer, reference, path }: Edge, use: InputUse, context: EdgeContext): boolean {
  const { port, isList, target, consumer, isRequired } = use;
  const from = context.drafts[producer];
  const guard = context.guards.get(producer);
  const isSkippable =
    typeof from?.raw['when'] === 'string' && !(guard && implies(context.guards.get(consumer.index), guard, from.id));
  const outputs = from?.kind?.manifest.outputs;
  const isKnown = outputs !== undefined && portOf(outputs, reference.port) !== undefined;
  const isOptional = isKnown && !(outputs.required ?? []).includes(reference.port);
  if (!isSkippable && !isOptional) return false;
  const tolerates = marksAbsent(target) || (isList && marksAbsent(itemsOf(target)));
  if (tolerates || (!isRequired && !isList)) return true;
  if (isSkippable) {
    context.report({
      code: 'pipeline::may-be-skipped',
      path,
      message: `\`${reference.node}\` may be skipped, but the input \`${port}\` of \`${consumer.id}\` requires its output.`,
      reason: `\`${reference.node}\` runs only if ${guard ? `\`${guard.expression.trim()}\`` : 'its `when`'} is true.`,
      remedy: `Add the same \`when\` to \`${consumer.id}\`, or put a \`first-of\` node between them.`,
    });
  } else {
    context.report({
      code: 'pipeline::may-be-absent',
      path,
      message: `\`${reference.node}.${reference.port}\` may be absent, but the input \`${port}\` requires a value.`,
      reason: `The kind \`${from?.kind?.manifest.kind}\` doesn't always produce this output.`,
      remedy: 'Use an output that is always present.',
    });
  }
  return false;
}

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
