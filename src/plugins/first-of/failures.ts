// The failures that the kind `first-of` raises.

import type { Failure } from '../../engine/sdk.js';

export const noCandidate = (node: string): Failure => ({
  code: 'pipeline::no-candidate',
  blame: 'app',
  title: `No candidate of ${node} applies to this app`,
  detail: `Every node that could have fed ${node} was skipped, because its \`when\` is false for this app.`,
  remedy:
    'Look at the skipped nodes in the plan: either the app lacks a file they wait for, or the pipeline has no node for it.',
});

export const severalCandidates = (node: string, count: number): Failure => ({
  code: 'pipeline::several-candidates',
  blame: 'pipeline',
  title: `${count} candidates of ${node} ran, but it can stand for one only`,
  detail: `The nodes that feed ${node} must exclude each other; ${count} of them were not skipped.`,
  remedy: 'Give the candidates a `when` that is true for one of them at a time.',
});
