#!/usr/bin/env node
// The program: argv and environment in, exit status out. Everything beyond `--version` is loaded when asked for; which
// commands there are is in cli/main.ts.

import * as nodeModule from 'node:module';

/** Filled in by scripts/build.mjs. */
declare const PYFLOW_VERSION: string | undefined;
const version = typeof PYFLOW_VERSION === 'string' ? PYFLOW_VERSION : 'development';

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`pyflow ${version}\n`);
} else {
  // Newer versions of Node keep compiled chunks between starts.
  (nodeModule as { enableCompileCache?: () => unknown }).enableCompileCache?.();
  const [{ main }, { processWorld, leave }] = await Promise.all([
    import('./cli/main.js'),
    import('./cli/process-world.js'),
  ]);
  await leave(await main(argv, processWorld(version)));
}
