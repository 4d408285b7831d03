// Reads the kernel's table of mounts.

import { readFileSync } from 'node:fs';

export interface Mount {
  /** `MAJOR:MINOR`. */
  readonly device: string;
  /** Where it is mounted. */
  readonly place: string;
  /** Of the file system. */
  readonly type: string;
  readonly source: string;
}

/** Throws the system's error. */
export const mountInfo = (): string => readFileSync('/proc/self/mountinfo', 'utf8');

/** Leaves out lines that it can't read. */
export function parseMountInfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ', 2);
    const [, , device = '', , point = ''] = left.split(' ');
    const [type = '', source = ''] = right.split(' ');
    const place = unescape(point);
    return type === '' || !place.startsWith('/') ? [] : [{ device, place, type, source: unescape(source) }];
  });
}

/** Spaces, tabs, line ends and backslashes are octal numbers. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
