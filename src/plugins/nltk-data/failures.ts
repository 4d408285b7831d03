// The failures of the kind `nltk-data`.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastLines } from '../shared/python/failures.js';

const PREFIX = '[nltk_data] ';
const ERROR = /^\[nltk_data\] Error\b/;
const TROUBLE =
  /urlopen error|timed out|HTTP Error (5\d\d|429)|Connection (refused|reset)|Remote end closed|IncompleteRead|name resolution|Name or service not known/;

/** NLTK says what is wrong, asks what to do, and dies of there being nobody to answer. */
export function downloadFailed(packages: readonly string[], exit: CommandExit): Failure {
  const start = exit.lines.findIndex((line) => ERROR.test(line));
  const message = start === -1 ? undefined : messageAt(exit.lines, start);
  const detail = [`Asked for: ${packages.join(', ')}`, message ?? lastLines(exit)].join('\n');
  if (!TROUBLE.test(message ?? exit.lines.at(-1) ?? '')) {
    return {
      code: 'nltk-downloader',
      blame: 'app',
      title: 'The NLTK data could not be downloaded',
      detail,
      remedy: 'Check the names in nltk.txt, one a line; a newer NLTK may be needed for what is published today.',
    };
  }
  return {
    code: 'nltk-downloader',
    blame: 'environment',
    title: 'The server with the NLTK data could not be reached',
    detail,
    remedy: 'Try again in a while; if it stays, check the way to it, or set PYFLOW_NLTK_INDEX to another list.',
    retryable: true,
  };
}

/** NLTK breaks its messages into short lines, the further ones indented. */
function messageAt(lines: readonly string[], start: number): string {
  const end = lines.findIndex((line, index) => index > start && !line.startsWith(`${PREFIX}    `));
  const parts = lines.slice(start, end === -1 ? undefined : end);
  return parts.map((line) => line.slice(PREFIX.length).trim()).join(' ');
}
