// Regular expressions that others write, matched by RE2: in time that grows with the text, so none can hold up the
// process. The only importer of the library, itself imported only when a file or a plugin has such an expression.

import { RE2JS } from 're2js';

/** Throws the library's error for what RE2 does not take: lookaround, back references, very large repetitions. */
export function compileLinear(pattern: string): { test(text: string): boolean; toString(): string } {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  // ajv tells patterns apart by their text.
  return { test: (text) => compiled.matcher(text).find(), toString: () => `/${pattern}/u` };
}
