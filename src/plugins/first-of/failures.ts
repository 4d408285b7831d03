// The failures of the kind `first-of`.

import type { Failure } from '../../engine/sdk.js';

export const noCandidate = (node: string): Failure => ({
  code: 'pipeline::no-candidate',
  blame: 'app',
  title: `No candidate of ${node} applies to this app`,
  detail: `All nodes that feed ${node} were skipped, because their \`when\` is false for this app.`,
  remedy:
    'Look at the skipped nodes in the plan. Either the app lacks a file that they need, or the pipeline needs a node for this app.',
});

export const severalCandidates = (node: string, count: number): Failure => ({
  code: 'pipeline::several-candidates',
  blame: 'pipeline',
  title: `${count} candidates of ${node} ran, but only one may`,
  detail: `Only one of the nodes that feed ${node} may run; ${count} of them were not skipped.`,
  remedy: 'Give each candidate a `when`, so that only one of them is true for an app.',
});
