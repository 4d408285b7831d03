// Passes on the one candidate that was not skipped. The schema says that the output has the type of the candidates. A failed
// candidate blocks this node before it runs.

import { injectable } from 'inversify';
import { fail, succeed, type Plugin, type ReadsPromise, type RunContext, type RunPromise } from '../../engine/sdk.js';
import { noCandidate, severalCandidates } from './failures.js';
import { manifest } from './manifest.js';

interface Node {
  readonly config: Readonly<Record<string, never>>;
  readonly inputs: { readonly candidates?: readonly unknown[] };
}
interface Outputs {
  readonly tree: unknown;
}

@injectable()
export class FirstOf implements Plugin<Node['config'], Node['inputs'], Outputs> {
  readonly manifest = manifest;

  async reads(): ReadsPromise {
    return succeed({});
  }

  async run({ inputs }: Node, context: RunContext): RunPromise<Outputs> {
    const candidates = inputs.candidates ?? [];
    if (candidates.length === 0) return fail(noCandidate(context.node));
    if (candidates.length > 1) return fail(severalCandidates(context.node, candidates.length));
    return succeed({ outputs: { tree: candidates[0] } });
  }
}
