// Matches regular expressions from outside with RE2, in time linear in the text, so that none can block the process. Owns
// the library, and is imported only when a file or plugin has such an expression.

import { RE2JS } from 're2js';

/** Throws the library's error for features that RE2 lacks: lookaround, backreferences, very large repetitions. */
export function compileLinear(pattern: string): { test(text: string): boolean; toString(): string } {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
  // ajv identifies patterns by their text.
  return { test: (text) => compiled.matcher(text).find(), toString: () => `/${pattern}/u` };
}
