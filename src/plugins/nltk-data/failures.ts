// The failures of the kind `nltk-data`.

import type { CommandExit, Failure } from '../../engine/sdk.js';
import { lastLines } from '../shared/python/failures.js';

const PREFIX = '[nltk_data] ';
const ERROR = /^\[nltk_data\] Error\b/;
const TROUBLE =
  /urlopen error|timed out|HTTP Error (5\d\d|429)|Connection (refused|reset)|Remote end closed|IncompleteRead|name resolution|Name or service not known/;

/** NLTK says what is wrong, asks what to do, and ends because nothing answers. */
export function downloadFailed(packages: readonly string[], exit: CommandExit): Failure {
  const start = exit.lines.findIndex((line) => ERROR.test(line));
  const message = start === -1 ? undefined : messageAt(exit.lines, start);
  const detail = [`Requested: ${packages.join(', ')}`, message ?? lastLines(exit)].join('\n');
  if (!TROUBLE.test(message ?? exit.lines.at(-1) ?? '')) {
    return {
      code: 'nltk-downloader',
      blame: 'app',
      title: 'Downloading the NLTK data failed',
      detail,
      remedy: 'Check the names in nltk.txt, one per line. Data that is published today may need a newer NLTK.',
    };
  }
  return {
    code: 'nltk-downloader',
    blame: 'environment',
    title: 'The server with the NLTK data is unreachable',
    detail,
    remedy: 'Try again later. If it fails again, check the network, or set PYFLOW_NLTK_INDEX to another index.',
    retryable: true,
  };
}

/** NLTK wraps its messages into short lines and indents the continuation lines. */
function messageAt(lines: readonly string[], start: number): string {
  const end = lines.findIndex((line, index) => index > start && !line.startsWith(`${PREFIX}    `));
  const parts = lines.slice(start, end === -1 ? undefined : end);
  return parts.map((line) => line.slice(PREFIX.length).trim()).join(' ');
}
