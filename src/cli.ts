#!/usr/bin/env node
// The program: argv and environment in, exit status out. It answers `--version` itself; for everything else it loads
// cli/main.ts, which finds the command. The command calls the engine (cli/engine.ts) and returns the exit status, which
// cli/exit-status.ts decides.

import { loadBundles, type BundleNames } from './cli/bundles.js';

/** Filled in by scripts/build.mjs; PYFLOW_BUNDLES is JSON. */
declare const PYFLOW_VERSION: string | undefined;
declare const PYFLOW_BUNDLES: string;
declare const PYFLOW_PLUGIN_HOST: string | undefined;
const version = typeof PYFLOW_VERSION === 'string' ? PYFLOW_VERSION : 'development';

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`pyflow ${version}\n`);
} else {
  const { leave, main, processWorld } =
    typeof PYFLOW_BUNDLES === 'string'
      ? loadBundles(
          import.meta.dirname,
          JSON.parse(PYFLOW_BUNDLES) as BundleNames,
          Boolean(process.env['PYFLOW_DEBUG']),
        ).start
      : await import('./cli/start.js');
  const pluginHost =
    typeof PYFLOW_PLUGIN_HOST === 'string' ? () => `${import.meta.dirname}/${PYFLOW_PLUGIN_HOST}` : undefined;
  await leave(await main(argv, processWorld(version, pluginHost)));
}
