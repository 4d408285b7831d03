// Opens the policy that a request names, once for the fast path and the run.

import { fail, succeed, type Failure, type Result } from '../failure.js';
import type { Refusal, RunRequest } from '../request.js';
import { openPolicy } from './open-policy.js';
import { policyDigest } from './policy.js';

const opening = new WeakMap<RunRequest, Promise<Result<RunRequest, Refusal>>>();

/**
 * The request with its opened policy. The digest of the policy is a setting, so that another policy is another build. Packages come
 * through the gateway unless another mode is set.
 */
export async function withPolicy(request: RunRequest, now: number): Promise<Result<RunRequest, Refusal>> {
  if (request.policyFile === undefined || request.policy !== undefined) return succeed(request);
  let opened = opening.get(request);
  if (opened === undefined) {
    opened = open(request, request.policyFile, now);
    opening.set(request, opened);
  }
  return opened;
}

async function open(request: RunRequest, path: string, now: number): Promise<Result<RunRequest, Refusal>> {
  const { appDir, cacheDir, settings } = request;
  const { PACKAGES = 'gateway' } = settings;
  if (PACKAGES === 'direct') return fail({ type: 'failure', failure: needsGateway });
  const opened = await openPolicy({ path, appDir, cacheDir, now });
  if (!opened.ok) return opened;
  const digest = policyDigest(opened.value.policy, now);
  return succeed({ ...request, policy: opened.value, settings: { ...settings, PACKAGES, POLICY: digest } });
}

const needsGateway: Failure = {
  code: 'policy::needs-gateway',
  blame: 'pipeline',
  title: 'The package policy has no effect with --packages direct',
  detail: 'Package managers that reach indexes by themselves install what they like.',
  remedy: 'Remove `--packages direct` or PYFLOW_PACKAGES: with a policy, the default is `gateway`.',
};
