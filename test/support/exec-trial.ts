// Run as a process of its own by exec-slug.test.ts: what `pyflow exec` does with a slug, our streams and our signals.

import { execSlug, type ExecSlugRequest } from '../../src/engine/inspect/exec-slug.js';
import type { SandboxOptions } from '../../src/engine/process/sandbox/probe.js';

const [request, options] = JSON.parse(process.argv[2] ?? '') as [Omit<ExecSlugRequest, 'signal'>, SandboxOptions];
const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // As the command line does: who asks twice does not want to wait.
    if (controller.signal.aborted) process.exit(99);
    controller.abort({ signal });
  });
}
const result = await execSlug({ ...request, signal: controller.signal }, options);
if (result.ok) process.exitCode = result.value;
else console.error(JSON.stringify(result.failure));
