// The request of a run with the policy that it names. Imports nothing heavy, because most requests name none.

import { succeed, type Result } from '../failure.js';
import type { Refusal, RunRequest } from '../request.js';

/** `now`: milliseconds since 1970. */
export async function judgedRequest(request: RunRequest, now: number): Promise<Result<RunRequest, Refusal>> {
  if (request.policyFile === undefined) return succeed(request);
  const { withPolicy } = await import('./with-policy.js');
  return withPolicy(request, now);
}
