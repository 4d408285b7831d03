#!/usr/bin/env node
// The program: argv and environment in, exit status out. `--version` is answered here; for everything else there is
// cli/main.ts, which knows the commands.

/** Filled in by scripts/build.mjs. */
declare const PYFLOW_VERSION: string | undefined;
const version = typeof PYFLOW_VERSION === 'string' ? PYFLOW_VERSION : 'development';

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`pyflow ${version}\n`);
} else {
  // Newer versions of Node keep compiled chunks between starts. An import would cost more than it saves on older ones.
  const nodeModule = process.getBuiltinModule('node:module') as { enableCompileCache?: () => unknown };
  nodeModule.enableCompileCache?.();
  const { leave, main, processWorld } = await import('./cli/start.js');
  await leave(await main(argv, processWorld(version)));
}
