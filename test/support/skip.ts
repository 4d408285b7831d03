// Skips a test or a suite, and prints why: a silent skip looks like a test that passes.

import type { Context } from 'mocha';

export function skipBecause(mocha: Context, why: string): never {
  console.log(`      (skipped: ${why})`);
  return mocha.skip();
}
