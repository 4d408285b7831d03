// Shows file names in messages: whatever a name contains, it stays on its line and can't reorder or hide text.
/* oxlint-disable no-control-regex -- control characters are what this file is about */

/** Control characters, line ends, marks that change the direction of text, and unpaired surrogates. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const HAS_UNSAFE = new RegExp(UNSAFE.source);
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The path itself, or quoted and escaped as in JSON if it contains what a message must not print. */
export const shownPath = (path: string): string =>
  HAS_UNSAFE.test(path) ? `"${escapeUnsafe(path.replace(/["\\]/g, '\\$&'))}"` : path;

/** The same without quotes, for a line of text that contains a name, and for JSON text. */
export const escapeUnsafe = (text: string): string =>
  HAS_UNSAFE.test(text)
    ? text.replace(UNSAFE, (unsafe) => SHORT[unsafe] ?? `\\u${unsafe.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;

/** The first of some names, as `shownPath` shows them, and how many more there are. */
export function someOf(names: readonly string[], most = 10): string {
  const shown = names.slice(0, most).map(shownPath).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
