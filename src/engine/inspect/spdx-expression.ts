// Whether a text is a licence expression of SPDX: `MIT`, `Apache-2.0 OR (MIT AND BSD-3-Clause)`, `GPL-2.0-only WITH ...`.

import { SPDX } from './cyclonedx-library.js';

const LONGEST = 1_000;
const DEEPEST = 20;
const TOKEN = /\s*(?:([()])|(AND|OR|WITH)(?![\w.+-])|([A-Za-z0-9][A-Za-z0-9.-]*\+?))/iy;
const OWN = /^LicenseRef-[A-Za-z0-9.-]+$/;
const EXCEPTION = /^[A-Za-z0-9.-]+-exception(?:-\d+(?:\.\d+)*)?$/i;

/** The expression with identifiers as SPDX spells them. Undefined if it is none. */
export function spdxExpression(text: string): string | undefined {
  const tokens = text.length > LONGEST ? undefined : tokensOf(text);
  if (tokens === undefined || tokens.length === 0) return undefined;
  const reader = new ExpressionReader(tokens);
  const read = reader.either(0);
  return reader.isDone ? read : undefined;
}

function tokensOf(text: string): readonly string[] | undefined {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const found = TOKEN.exec(text);
    if (found === null) return undefined;
    tokens.push(found[1] ?? found[2]?.toUpperCase() ?? found[3] ?? '');
  }
  return tokens;
}

class ExpressionReader {
  #at = 0;
  #isBroken = false;

  constructor(private readonly tokens: readonly string[]) {}

  get isDone(): boolean {
    return !this.#isBroken && this.#at === this.tokens.length;
  }

  either(depth: number): string {
    return this.#joined('OR', () => this.#joined('AND', () => this.#one(depth)));
  }

  #joined(word: string, next: () => string): string {
    const parts = [next()];
    while (this.tokens[this.#at] === word) {
      this.#at += 1;
      parts.push(next());
    }
    return parts.join(` ${word} `);
  }

  #one(depth: number): string {
    const token = this.tokens[this.#at++];
    if (token === '(') {
      if (depth >= DEEPEST) return this.#break();
      const inside = this.either(depth + 1);
      return this.tokens[this.#at++] === ')' ? `(${inside})` : this.#break();
    }
    const id = token === undefined ? undefined : idOf(token);
    if (id === undefined) return this.#break();
    if (this.tokens[this.#at] !== 'WITH') return id;
    const exception = this.tokens[this.#at + 1];
    this.#at += 2;
    return exception !== undefined && EXCEPTION.test(exception) ? `${id} WITH ${exception}` : this.#break();
  }

  #break(): string {
    this.#isBroken = true;
    this.#at = this.tokens.length;
    return '';
  }
}

function idOf(token: string): string | undefined {
  if (OWN.test(token)) return token;
  const known = SPDX.fixupSpdxId(token);
  if (known !== undefined) return known;
  const later = token.endsWith('+') ? SPDX.fixupSpdxId(token.slice(0, -1)) : undefined;
  return later === undefined ? undefined : `${later}+`;
}
