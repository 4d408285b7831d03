// The operator's package policy as a fact of nodes that install packages.

import type { Host } from '../../../engine/sdk.js';

/** The digest of the policy, so that another policy judges the packages again. Nothing without a policy. */
export function policyFact(host: Host): { readonly policy?: string } {
  const digest = host.setting('POLICY');
  return digest === undefined ? {} : { policy: digest };
}
