// Hides secrets in text: removes escape sequences and control characters first, since they may be inside a secret; then every
// spelling of every secret and the user part of URLs become `***`.

import { hideUserinfo } from './credentials.js';
import { cleanText } from '../files/clean-text.js';
import { Matcher, START, type Needle, type Progress, type Span } from './matcher.js';
import { MIN_SECRET } from './secret-values.js';

const SHOWN = '***';
/** A line that ends with this many characters of a secret waits for the next line. */
const HELD_DEPTH = 4;
const MAX_HELD_LINES = 64;
const MAX_HELD_CHARACTERS = 256 * 1024;
/** Characters of the previous line, which may end with the beginning of a secret shorter than `HELD_DEPTH`. */
const CONTEXT = 256;
const LINE_END = /\r\n|\r|\n/;

/** Hides secrets in lines that arrive one by one, also secrets that are split over lines. */
export interface LineMasker {
  write(line: string): void;
  /** Passes on the lines that were held back. */
  end(): void;
}

export class TextMasker {
  readonly #matcher: Matcher | undefined;

  constructor(needles: readonly Needle[]) {
    this.#matcher = needles.length === 0 ? undefined : new Matcher(needles);
  }

  /** Returns the text itself if nothing is hidden; later stages clean its escape sequences. */
  mask(text: string): string {
    const clean = cleanLines(text);
    const shown = this.#hide(clean);
    if (shown !== clean || clean === text) return shown;
    // The secret is inside the sequences, or visible only with them.
    return this.#hide(text) === text ? text : clean;
  }

  #hide = (text: string): string => hideUserinfo(this.maskSecrets(text));

  /** Keeps the user part of URLs. */
  maskSecrets(text: string): string {
    if (this.#matcher === undefined || text.length < MIN_SECRET) return text;
    const bytes = Buffer.from(text);
    const { hits } = this.#matcher.scan(bytes);
    return hits === undefined ? text : cut(bytes, this.#matcher.spans(bytes)).toString();
  }

  lines(emit: (line: string) => void): LineMasker {
    const matcher = this.#matcher;
    if (matcher === undefined) return { write: (line) => emit(this.mask(line)), end: () => {} };
    return new HoldingMasker(matcher, (line) => emit(this.mask(line)));
  }
}

class HoldingMasker implements LineMasker {
  #progress: Progress = START;
  #held: { readonly line: string; readonly clean: string }[] = [];
  #characters = 0;
  #isHit = false;
  #context = '';

  constructor(
    private readonly matcher: Matcher,
    private readonly emit: (line: string) => void,
  ) {}

  write(line: string): void {
    const clean = cleanLines(line);
    const { progress, hits } = this.matcher.scan(Buffer.from(`${clean}\n`), this.#progress);
    this.#progress = progress;
    this.#isHit ||= hits !== undefined;
    this.#held.push({ line, clean });
    this.#characters += clean.length;
    const isFull = this.#held.length >= MAX_HELD_LINES || this.#characters >= MAX_HELD_CHARACTERS;
    if (progress.depth < HELD_DEPTH) this.#release(Number.POSITIVE_INFINITY);
    else if (isFull) this.#release(MIN_SECRET);
  }

  end(): void {
    this.#release(MIN_SECRET);
    this.#progress = START;
    this.#context = '';
  }

  /** `minDepth`: an unfinished secret of this many characters is hidden too. */
  #release(minDepth: number): void {
    const held = this.#held;
    if (held.length === 0) return;
    if (this.#isHit || this.#progress.depth >= minDepth) {
      const text = Buffer.from(`${this.#context}\n${held.map(({ clean }) => clean).join('\n')}`);
      const shown = cut(text, this.matcher.spans(text, minDepth)).toString().split('\n');
      // The first line is the context.
      for (const line of shown.slice(1)) this.emit(line);
    } else for (const { line } of held) this.emit(line);
    this.#context = held[held.length - 1]!.clean.slice(-CONTEXT);
    this.#held = [];
    this.#characters = 0;
    this.#isHit = false;
  }
}

const cleanLines = (text: string): string =>
  LINE_END.test(text) ? text.split(LINE_END).map(cleanText).join('\n') : cleanText(text);

const isBase64 = (byte: number | undefined): boolean =>
  byte !== undefined && /[A-Za-z0-9+/=_-]/.test(String.fromCharCode(byte));
/** Base64 around a secret that is hidden too: a name before it in a login, and the last characters, shared with what follows. */
const AROUND = 512;

/** Keeps line ends inside a secret, so that lines keep their numbers. */
function cut(bytes: Buffer, spans: readonly Span[]): Buffer {
  const parts: Buffer[] = [];
  let done = 0;
  for (const { start, end } of merged(bytes, spans)) {
    parts.push(bytes.subarray(done, start), Buffer.from(hiddenLines(bytes.subarray(start, end))));
    done = end;
  }
  parts.push(bytes.subarray(done));
  return Buffer.concat(parts);
}

const hiddenLines = (hidden: Buffer): string =>
  SHOWN + `\n${SHOWN}`.repeat(hidden.filter((byte) => byte === 0x0a).length);

function merged(bytes: Buffer, spans: readonly Span[]): readonly { readonly start: number; readonly end: number }[] {
  const wide = spans.map(({ start, end, form }) => {
    let [from, to] = [start, end];
    if (form === 'base64') {
      while (from > 0 && start - from < AROUND && isBase64(bytes[from - 1])) from--;
      while (to < bytes.length && to - end < AROUND && isBase64(bytes[to])) to++;
    }
    return { start: from, end: to };
  });
  const joined: { start: number; end: number }[] = [];
  for (const { start, end } of wide.sort((a, b) => a.start - b.start)) {
    const last = joined[joined.length - 1];
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else joined.push({ start, end });
  }
  return joined;
}
