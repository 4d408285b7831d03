// Makes the output of tools safe to show: escape sequences and control characters could move the cursor, change the window
// title, hide text or imitate our own.
/* oxlint-disable no-control-regex -- control characters are what this file is about */

const ESC = '\\u001b';
/** Sequences as terminals parse them: CSI; strings such as OSC and DCS; short ones. */
const SEQUENCE = new RegExp(
  [
    `(?:${ESC}\\[|\\u009b)[0-?]*[ -/]*[@-~]`,
    `(?:${ESC}[\\]PX^_]|[\\u009d\\u0090\\u0098\\u009e\\u009f])[^\\u0007${ESC}\\u009c]*(?:\\u0007|\\u009c|${ESC}\\\\)?`,
    `${ESC}[ -/]*[0-~]`,
  ].join('|'),
  'g',
);
const SGR = new RegExp(`^${ESC}\\[[0-9;:]*m$`);
/** Control characters except tab, and characters that reorder text. */
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const SUSPECT = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const KEPT = new RegExp(`(${ESC}\\[[0-9;:]*m)`);
const RESET = '\u001b[0m';

/** One line without sequences. Other control characters become replacement characters. */
export function cleanText(text: string): string {
  return SUSPECT.test(text) ? text.replace(SEQUENCE, '').replace(CONTROL, '\ufffd') : text;
}

/** Like `cleanText`, but keeps colours, up to the end of the line. */
export function cleanColoredText(text: string): string {
  if (!SUSPECT.test(text)) return text;
  const parts = text.replace(SEQUENCE, (sequence) => (SGR.test(sequence) ? sequence : '')).split(KEPT);
  const cleaned = parts.map((part, index) => (index % 2 === 1 ? part : part.replace(CONTROL, '\ufffd'))).join('');
  return parts.length > 1 ? cleaned + RESET : cleaned;
}

/** The lines of a text, each cleaned. */
export const cleanLines = (text: string): string[] => text.split(/\r\n|\r|\n/).map((line) => cleanText(line));

const segmentWidth = (codePoint: number): number => {
  if (codePoint < 0x300) return 1;
  if (
    codePoint <= 0x36f ||
    (codePoint >= 0x200b && codePoint <= 0x200f) ||
    (codePoint >= 0xfe00 && codePoint <= 0xfe0f)
  )
    return 0;
  // East Asian wide blocks and pictographs, roughly: a width that is too large only cuts a line early.
  return (codePoint >= 0x1100 && codePoint <= 0x115f) ||
    (codePoint >= 0x2e80 && codePoint <= 0xa4cf) ||
    (codePoint >= 0xac00 && codePoint <= 0xd7a3) ||
    (codePoint >= 0xf900 && codePoint <= 0xfaff) ||
    (codePoint >= 0xfe30 && codePoint <= 0xfe6f) ||
    (codePoint >= 0xff00 && codePoint <= 0xff60) ||
    (codePoint >= 0xffe0 && codePoint <= 0xffe6) ||
    (codePoint >= 0x1f300 && codePoint <= 0x1faff) ||
    (codePoint >= 0x20000 && codePoint <= 0x3fffd)
    ? 2
    : 1;
};

/** Width of a clean line on a terminal, in columns. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += segmentWidth(character.codePointAt(0) ?? 0);
  return width;
}

/** Cuts a clean line to a width, never inside a character; a cut line ends with `…`. */
export function cutText(text: string, columns: number): string {
  if (text.length <= columns && textWidth(text) <= columns) return text;
  if (columns < 1) return '';
  let width = 0;
  let kept = '';
  for (const character of text) {
    const next = segmentWidth(character.codePointAt(0) ?? 0);
    if (width + next > columns - 1) return `${kept}…`;
    kept += character;
    width += next;
  }
  return kept;
}
