// Finds Windows line endings in scripts. On Linux, programs treat the CR as a part of the line.

import { posix } from 'node:path';

/** A type, because facts can't contain interfaces. */
export type WindowsLines = {
  /** Lines that end with CR and LF. */
  readonly count: number;
  readonly total: number;
};

const LF = 0x0a;
const CR = 0x0d;

/** Undefined for a file without such lines, and for a file that is not text. */
export function windowsLinesOf(bytes: Uint8Array | undefined): WindowsLines | undefined {
  if (bytes === undefined || bytes.includes(0)) return undefined;
  let count = 0;
  let total = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    total += 1;
    if (bytes[at - 1] === CR) count += 1;
  }
  return count === 0 ? undefined : { count, total };
}

export const describeWindowsLines = (script: string, { count, total }: WindowsLines): string =>
  count === total
    ? `${script} has Windows line endings (CRLF).`
    : `${count} of the ${total} lines of ${script} have Windows line endings (CRLF).`;

/** The remedy, without the final period. */
export const saveWithLf = (script: string): string =>
  `Save ${script} with LF line endings, or add \`${posix.dirname(script)}/* text eol=lf\` to .gitattributes, run \`git add --renormalize .\` and commit`;
