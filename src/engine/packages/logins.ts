// Logins of indexes, which only the gateway sees: commands get stand-ins for them.

import { randomBytes } from 'node:crypto';

/** A login for URLs of one origin below a path. */
export interface Login {
  readonly origin: string;
  readonly path: string;
  /** The value of the header `authorization`. */
  readonly header: string;
}

/** The login in a URL, if it has one. */
export function openCredentials(text: string): readonly Login[] {
  const url = new URL(text);
  if (url.username === '' && url.password === '') return [];
  const pair = `${decoded(url.username)}:${decoded(url.password)}`;
  const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  return [{ origin: url.origin, path, header: basic(pair) }];
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

/** The text itself if it is badly escaped. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Texts that commands get in place of secrets, such as the value of a variable in the URL of an index. The gateway replaces them
 * in requests, and the secrets in what it answers.
 */
/** Shorter ones are in every URL by chance, and hiding them would hide nothing. */
const SHORTEST_SHOWN = 4;

export class StandIns {
  readonly #secretOf = new Map<string, string>();
  readonly #standInOf = new Map<string, string>();

  get isEmpty(): boolean {
    return this.#secretOf.size === 0;
  }

  /** Valid in every part of a URL, and the same for the same secret. */
  for(secret: string): string {
    let text = this.#standInOf.get(secret);
    if (text === undefined) {
      text = `pyflow-${randomBytes(12).toString('hex')}`;
      this.#standInOf.set(secret, text);
      this.#secretOf.set(text, secret);
    }
    return text;
  }

  /** The URL that the index gets. A stand-in in the host would already have decided where the request goes. */
  inUrl(url: URL): URL {
    if (this.#secretOf.size === 0) return url;
    const real = new URL(url);
    for (const [text, secret] of this.#secretOf) {
      if (real.pathname.includes(text)) real.pathname = real.pathname.replaceAll(text, encodeURIComponent(secret));
      if (real.search.includes(text)) real.search = real.search.replaceAll(text, encodeURIComponent(secret));
    }
    return real;
  }

  /** The URL that commands see. */
  inAnswer(url: string): string {
    let shown = url;
    // A secret can be part of a longer one.
    const longestFirst = [...this.#standInOf].sort(([one], [other]) => other.length - one.length);
    for (const [secret, text] of longestFirst) {
      if (secret.length < SHORTEST_SHOWN) continue;
      for (const spelled of new Set([secret, encodeURIComponent(secret)])) shown = shown.replaceAll(spelled, text);
    }
    return shown;
  }

  /** The header `authorization` as a command sent it, with the real login. Undefined if it sent none. */
  inHeader(header: string | undefined): string | undefined {
    const given = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? '')?.[1];
    if (given === undefined) return header;
    const pair = Buffer.from(given, 'base64').toString();
    let real = pair;
    for (const [text, secret] of this.#secretOf) real = real.replaceAll(text, () => secret);
    return real === pair ? header : basic(real);
  }
}

/** A URL for records: stand-ins differ from run to run. */
export const recordedUrl = (url: URL): string => url.href.replace(/pyflow-[0-9a-f]{24}/g, 'pyflow-stand-in');
