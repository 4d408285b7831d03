// Edges as the file writes them: the references of `inputs`, and the names in `after`.

import type { CheckContext } from './check-context.js';
import type { NodeId, Reference } from './manifest.js';
import type { Draft } from './nodes.js';
import { isRecord, type Path, type Problem } from './problem.js';

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

/** Resolves the references of a node's `inputs`. Reports unknown nodes; unknown ports are reported with the types. */
export function readInputs(draft: Draft, context: CheckContext): readonly Input[] {
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

function resolve(text: string, path: Path, context: CheckContext): Edge | undefined {
  const match = /^([a-z][a-z0-9_-]*)\.([A-Za-z_][A-Za-z0-9_-]*)$/.exec(text);
  if (match === null) return undefined;
  const [, node = '', port = ''] = match;
  const producer = context.indexOf.get(node);
  if (producer !== undefined) return { producer, reference: { node: node as NodeId, port }, path };
  reportUnknownNode(node, { path, span: { start: 0, end: node.length } }, context);
  return undefined;
}

export function readAfter(draft: Draft, context: CheckContext): readonly number[] {
  const section = draft.raw['after'];
  if (!Array.isArray(section)) return [];
  return section.flatMap((name: unknown, index) => {
    if (typeof name !== 'string' || !/^[a-z][a-z0-9_-]*$/.test(name)) return [];
    const found = context.indexOf.get(name);
    if (found !== undefined) return [found];
    reportUnknownNode(name, { path: [...draft.path, 'after', index] }, context);
    return [];
  });
}

function reportUnknownNode(name: string, place: Pick<Problem, 'path' | 'span'>, context: CheckContext): void {
  context.report({
    code: 'pipeline::unknown-node',
    ...place,
    message: `There is no node \`${name}\`.`,
    remedy: context.suggester.remedy(name, context.indexOf.keys(), 'node'),
  });
}
