// Splits a stream of bytes into lines of text, however the bytes are cut into chunks.

import { StringDecoder } from 'node:string_decoder';

/** In UTF-16 units. Longer lines are passed on in pieces of this size, so that an endless line doesn't fill the memory. */
export const MAX_LINE_LENGTH = 64 * 1024;

export interface LineSplitter {
  write(chunk: Buffer): void;
  /** Passes on a last line that had no end. */
  end(): void;
}

/** `\n`, `\r\n` and `\r` end a line. Progress bars redraw after a bare `\r`, so an empty line before one is dropped. */
export function createLineSplitter(onLine: (text: string) => void): LineSplitter {
  // Holds back the bytes of an incomplete character; invalid ones become U+FFFD.
  const decoder = new StringDecoder('utf8');
  const lineEnd = /\r\n?|\n/g;
  let pending = '';
  // The last chunk ended with `\r`; the next chunk shows whether a `\n` belongs to it.
  let afterReturn: 'no' | 'line-emitted' | 'nothing-emitted' = 'no';

  /** Emits all complete pieces and returns the rest, which is empty only for an empty line. */
  const emitPieces = (text: string): string => {
    let start = 0;
    while (text.length - start > MAX_LINE_LENGTH) {
      const stop = start + MAX_LINE_LENGTH;
      const lastUnit = text.charCodeAt(stop - 1);
      // Never between the halves of a surrogate pair.
      const cut = lastUnit >= 0xd800 && lastUnit <= 0xdbff ? stop - 1 : stop;
      onLine(text.slice(start, cut));
      start = cut;
    }
    return start === 0 ? text : text.slice(start);
  };
  const feed = (text: string): void => {
    if (text === '') return;
    let start = 0;
    if (afterReturn !== 'no') {
      if (text.startsWith('\n')) {
        start = 1;
        if (afterReturn === 'nothing-emitted') onLine('');
      }
      afterReturn = 'no';
    }
    lineEnd.lastIndex = start;
    for (let found = lineEnd.exec(text); found !== null; found = lineEnd.exec(text)) {
      const line = emitPieces(pending + text.slice(start, found.index));
      pending = '';
      start = lineEnd.lastIndex;
      if (found[0] !== '\r' || line !== '') onLine(line);
      if (found[0] === '\r' && start === text.length) afterReturn = line === '' ? 'nothing-emitted' : 'line-emitted';
    }
    pending = emitPieces(pending + text.slice(start));
  };
  return {
    write: (chunk) => feed(decoder.write(chunk)),
    end() {
      feed(decoder.end());
      if (pending !== '') onLine(pending);
      pending = '';
    },
  };
}
