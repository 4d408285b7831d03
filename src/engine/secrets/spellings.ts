// How one character of a secret may be written: raw, or escaped for URLs, JSON, HTML, shells and so on. Each character is a
// small automaton over bytes, so a text may mix spellings.

/** `next`: by byte. Loops are allowed. */
export interface SpellingNode {
  readonly id: number;
  readonly next: Map<number, SpellingNode[]>;
}

/** The three ways to write a whole value. */
export type Form = 'text' | 'hex' | 'base64';

/** What may be between two characters of a secret. */
interface Gaps {
  readonly text: SpellingNode;
  readonly hex: SpellingNode;
  readonly base64: SpellingNode;
  /** After a line end and indentation, the next character follows. */
  readonly afterLine: SpellingNode;
}

/** HTML's names for ASCII punctuation. */
const NAMED = new Map(
  String.raw`! excl " quot # num $ dollar % percnt & amp ' apos ( lpar ) rpar * ast + plus , comma . period / sol : colon ; semi
    < lt = equals > gt ? quest @ commat [ lsqb \ bsol ] rsqb ^ Hat _ lowbar ${'`'} grave { lcub | verbar } rcub`
    .split(/\s+/)
    .flatMap((sign, at, all) => (at % 2 === 0 ? [[sign, all[at + 1]!] as const] : [])),
)
  .set('\t', 'Tab')
  .set('\n', 'NewLine');
const CONTROL: Readonly<Record<string, string>> = { '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f' };

export class Spellings {
  readonly nodes: SpellingNode[] = [];
  /** Reached at the end of a character. */
  readonly done = this.#node();
  /** Reached at the end of a gap: the character may begin. */
  readonly back = this.#node();
  readonly gaps: Gaps;
  readonly #known = new Map<string, SpellingNode>();

  constructor() {
    const afterLine = this.#node();
    for (const byte of bytesOf('\n\r\t |>')) link(afterLine, byte, afterLine);
    const gap = (): SpellingNode => {
      const start = this.#node();
      for (const byte of bytesOf('\n\r')) link(start, byte, afterLine);
      // Including NUL, which makes ASCII in UTF-16 match.
      for (let byte = 0; byte < 0x20; byte++)
        if (!'\n\r\t\u001b'.includes(String.fromCharCode(byte))) this.#skip(start, [byte]);
      for (const mark of [
        '\u007f',
        '\u00ad',
        '\u200b',
        '\u200c',
        '\u200d',
        '\u200e',
        '\u200f',
        '\u2060',
        '\ufeff',
        '\ufffd',
      ])
        this.#skip(start, bytesOf(mark));
      for (let code = 0x2028; code <= 0x202e; code++) this.#skip(start, bytesOf(String.fromCharCode(code)));
      for (let code = 0x2066; code <= 0x2069; code++) this.#skip(start, bytesOf(String.fromCharCode(code)));
      this.#skipColor(start);
      this.#skipQuotes(start);
      return start;
    };
    const [text, hex, base64] = [gap(), gap(), gap()];
    for (const between of [':', ' ', ', ', ',', '-', '\\x', '0x', ' 0x', ', 0x', ',0x', '%', '\\\\x'])
      this.#skip(hex, bytesOf(between));
    for (const between of ['\\n', '\\r\\n', '\\\\n', '%0A', '%0D%0A', '%0a', '%0d%0a'])
      this.#skip(base64, bytesOf(between));
    this.gaps = { text, hex, base64, afterLine };
  }

  /** The automaton of one character of text or base64, or of one byte in hex, given as two digits. */
  of(character: string, form: Form): SpellingNode {
    const name = `${form} ${character}`;
    let start = this.#known.get(name);
    if (start === undefined) {
      start = this.#node();
      this.#known.set(name, start);
      if (form === 'text') this.#text(start, character);
      else if (form === 'hex') this.#path(start, [...character].map(eitherCase), this.done);
      else this.#base64(start, character);
    }
    return start;
  }

  #text(start: SpellingNode, character: string): void {
    const code = character.codePointAt(0) ?? 0;
    const bytes = bytesOf(character);
    const byteSets = [bytes, ...(code > 0x7f && code < 0x100 ? [[code]] : [])];
    for (const set of byteSets) {
      this.#raw(start, set);
      for (const lead of ['%', '%25', '=', '\\x', '\\\\x']) this.#digits(start, set, lead, (byte) => hexOf(byte, 2));
      for (const lead of ['\\', '\\\\']) this.#digits(start, set, lead, (byte) => byte.toString(8).padStart(3, '0'));
    }
    if (character === ' ') this.#raw(start, bytesOf('+'));
    if (character === "'") for (const quoted of [`'\\''`, `'"'"'`]) this.#raw(start, bytesOf(quoted));
    if (code > 0x7f) this.#wide(start, character);
    this.#escaped(start, character, code);
    this.#html(start, character, code);
  }

  /** UTF-16 in both byte orders; ASCII in UTF-16 is covered by NUL as a gap. */
  #wide(start: SpellingNode, character: string): void {
    const little = [...Buffer.from(character, 'utf16le')];
    this.#raw(start, little);
    this.#raw(
      start,
      little.map((_, at) => little[at ^ 1] ?? 0),
    );
  }

  /** After any number of backslashes, since quoted text may be quoted again. */
  #escaped(start: SpellingNode, character: string, code: number): void {
    const slashes = this.#node();
    link(start, 0x5c, slashes);
    link(slashes, 0x5c, slashes);
    if (code < 0x7f && !/[A-Za-z0-9]/.test(character)) this.#path(slashes, [[code]], this.done);
    const short = CONTROL[character];
    if (short !== undefined) this.#path(slashes, [bytesOf(short)], this.done);
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
    let from = slashes;
    for (const [at, unit] of units.entries()) {
      const isLast = at === units.length - 1;
      const to = isLast ? this.done : this.#node();
      this.#path(from, [[0x75], ...[...hexOf(unit, 4)].map(eitherCase)], to);
      if (isLast) break;
      const again = this.#node();
      link(to, 0x5c, again);
      link(again, 0x5c, again);
      from = again;
    }
    this.#path(slashes, [[0x55], ...[...hexOf(code, 8)].map(eitherCase)], this.done);
    this.#path(slashes, [...'u{'].map(eitherCase).concat([...code.toString(16)].map(eitherCase), [[0x7d]]), this.done);
  }

  #html(start: SpellingNode, character: string, code: number): void {
    const entity = this.#node();
    link(start, 0x26, entity);
    // Escaped twice.
    this.#path(entity, [...'amp;'].map(eitherCase), entity);
    const finish = (from: SpellingNode, text: string): void => {
      const sets = [...text].map(eitherCase);
      this.#path(from, sets, this.done);
      this.#path(from, [...sets, [0x3b]], this.done);
    };
    const number = this.#node();
    link(entity, 0x23, number);
    link(number, 0x30, number);
    finish(number, String(code));
    const hex = this.#node();
    for (const byte of bytesOf('xX')) link(number, byte, hex);
    link(hex, 0x30, hex);
    finish(hex, code.toString(16));
    const name = NAMED.get(character);
    if (name !== undefined) this.#path(entity, [...`${name};`].map(eitherCase), this.done);
  }

  #base64(start: SpellingNode, character: string): void {
    this.#raw(start, bytesOf(character));
    if (character !== '+' && character !== '/') return;
    this.#raw(start, bytesOf(character === '+' ? '-' : '_'));
    this.#digits(start, bytesOf(character), '%', (byte) => hexOf(byte, 2));
    this.#escaped(start, character, character.charCodeAt(0));
    this.#html(start, character, character.charCodeAt(0));
  }

  #digits(start: SpellingNode, bytes: readonly number[], lead: string, spell: (byte: number) => string): void {
    this.#path(
      start,
      bytes.flatMap((byte) => [...bytesOf(lead).map((one) => [one]), ...[...spell(byte)].map(eitherCase)]),
      this.done,
    );
  }

  #raw = (start: SpellingNode, bytes: readonly number[]): void =>
    this.#path(
      start,
      bytes.map((byte) => [byte]),
      this.done,
    );

  #skip = (start: SpellingNode, bytes: readonly number[]): void =>
    this.#path(
      start,
      bytes.map((byte) => [byte]),
      this.back,
    );

  /** A string that continues on the next line: `'one' \n  'two'`, with `+` or a backslash in some languages. */
  #skipQuotes(start: SpellingNode): void {
    const closed = this.#node();
    const opening = this.#node();
    for (const byte of bytesOf(`'"`)) {
      link(start, byte, closed);
      link(opening, byte, this.back);
    }
    for (const byte of bytesOf(' +.\\')) link(closed, byte, closed);
    for (const byte of bytesOf('\r\n')) link(closed, byte, opening);
    for (const byte of bytesOf('\r\n\t +.')) link(opening, byte, opening);
  }

  /** `ESC [ ... letter`. */
  #skipColor(start: SpellingNode): void {
    const escape = this.#node();
    const sequence = this.#node();
    link(start, 0x1b, escape);
    link(escape, 0x5b, sequence);
    for (let byte = 0x20; byte < 0x40; byte++) link(sequence, byte, sequence);
    for (let byte = 0x40; byte < 0x7f; byte++) link(sequence, byte, this.back);
  }

  /** A path with one byte of each set in turn. */
  #path(from: SpellingNode, sets: readonly (readonly number[])[], to: SpellingNode): void {
    let node = from;
    for (const [at, set] of sets.entries()) {
      const next = at === sets.length - 1 ? to : this.#node();
      for (const byte of set) link(node, byte, next);
      node = next;
    }
  }

  #node(): SpellingNode {
    const node = { id: this.nodes.length, next: new Map<number, SpellingNode[]>() };
    this.nodes.push(node);
    return node;
  }
}

function link(from: SpellingNode, byte: number, to: SpellingNode): void {
  const targets = from.next.get(byte);
  if (targets === undefined) from.next.set(byte, [to]);
  else if (!targets.includes(to)) targets.push(to);
}

const bytesOf = (text: string): number[] => [...Buffer.from(text)];
const hexOf = (value: number, width: number): string => value.toString(16).padStart(width, '0');

/** Hex digits and names may be in either case. */
const eitherCase = (character: string): number[] => [
  ...new Set([character.toLowerCase(), character.toUpperCase()].map((one) => one.charCodeAt(0))),
];

/** Two hex digits for each byte. */
export const hexPairs = (value: string): string[] => Buffer.from(value).toString('hex').match(/../g) ?? [];

/** The base64 characters that depend only on the value, for each of three alignments. */
export function base64Cores(value: string): string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}
