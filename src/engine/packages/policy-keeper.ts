// The policy as the gateway asks it: for each session a gate of its own.

import type { Gatekeeper, PagesOf } from './answers.js';
import { PolicyGate, type PolicyGateOptions } from './policy-gate.js';

/** `before`: what else changes the pages, e.g. a date. The policy judges what it leaves. */
export function policyKeeper(
  options: Omit<PolicyGateOptions, 'pagesOf'>,
  pagesOf: PagesOf,
  before: Gatekeeper | undefined,
): Gatekeeper {
  const gate = new PolicyGate({
    ...options,
    pagesOf: async (project) =>
      (await pagesOf(project)).map(({ page, index }) => ({ page: before?.filter(page, index).page ?? page, index })),
  });
  return {
    filter(page, index) {
      const { page: left, problems, hidden = [] } = before?.filter(page, index) ?? { page, problems: [] };
      const allowed = gate.filter(left, index);
      const kept = new Set(allowed.files);
      return { page: allowed, problems, hidden: [...hidden, ...left.files.filter((file) => !kept.has(file))] };
    },
    async refusal(known) {
      const failure = await gate.refusal(known);
      return failure === undefined ? before?.refusal(known) : { type: 'refused', failure };
    },
    explain: (failure) => gate.explain(before?.explain?.(failure) ?? failure),
  };
}
