// Follows what was made from app variables or secrets from node to node: all of it stays on this machine.

import type { NodeId, Reference } from '../../manifests/pipeline/manifest.js';
import type { StoredTaint } from '../store/store.js';
import type { Taint } from './node-end.js';
import type { Run } from './run.js';

/**
 * In this run. Whether a mark is inherited depends on the nodes before, and the result may have been stored by another app, so
 * that is found out anew.
 */
export function taintOf(
  run: Run,
  index: number,
  stored: StoredTaint | undefined,
  looks?: Iterable<string>,
): Taint | undefined {
  if (stored === undefined || stored === 'inherited' || stored === 'packed') return inheritedTaint(run, index, looks);
  return { cause: stored, node: run.pipeline.nodes[index]!.id };
}

/**
 * Because of what the node has seen so far: values, layers, tools, files and names. `looks`: what it looked at in an earlier run, if
 * its `reads` was not called in this one.
 */
export function inheritedTaint(run: Run, index: number, looks?: Iterable<string>): Taint | undefined {
  if (!run.states.hasTaint) return undefined;
  return taintOfInputs(run, index) ?? taintOfFiles(run, index, looks);
}

function taintOfInputs(run: Run, index: number): Taint | undefined {
  const { states } = run;
  const { kind, inputs } = run.pipeline.nodes[index]!;
  const formats = run.inputFormats(kind);
  for (const [port, given] of Object.entries(inputs)) {
    const isTree = formats.get(port) === 'output-tree';
    for (const reference of [given].flat() as readonly Reference[]) {
      const makers = isTree ? makersOf(run, reference) : [run.positionOf(reference.node)];
      for (const maker of makers) {
        const taint = states.taintOf(maker);
        if (taint !== undefined) return taint;
      }
    }
  }
  return undefined;
}

function taintOfFiles({ states }: Run, index: number, looks: Iterable<string> | undefined): Taint | undefined {
  const isTainted = (writer: number): boolean => states.taintOf(writer) !== undefined;
  const writer =
    looks === undefined
      ? [...(states.files.writersSeenBy(index) ?? [])].find(isTainted)
      : states.files.writerAmong(index, looks, isTainted);
  return writer === undefined ? undefined : states.taintOf(writer);
}

/** Of the layers in a tree value. */
function makersOf(
  { states }: Run,
  { node, port }: { readonly node: NodeId; readonly port: string },
): readonly number[] {
  const value = states.doneOf(node)?.outputs[port];
  return typeof value === 'string' ? value.split(',').map((layer) => states.writerOf(layer)) : [];
}
