// exec-slug.test.ts runs this as a separate process, which handles slug, streams and signals like `pyflow exec`.

import { execSlug, type ExecSlugRequest } from '../../src/engine/inspect/exec-slug.js';
import type { SandboxOptions } from '../../src/engine/process/sandbox/probe.js';

const [request, options] = JSON.parse(process.argv[2] ?? '') as [Omit<ExecSlugRequest, 'signal'>, SandboxOptions];
const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Like the command line: a second signal ends the program at once.
    if (controller.signal.aborted) process.exit(99);
    controller.abort({ signal });
  });
}
const result = await execSlug({ ...request, signal: controller.signal }, options);
if (result.ok) process.exitCode = result.value;
else console.error(JSON.stringify(result.failure));
