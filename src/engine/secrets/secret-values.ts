// Which values of a run are secrets, and what to search for: values that nodes declare, logins in URLs and of package indexes,
// and variables that look like credentials.

import { isCredentialName, looksLikeToken } from './app-credentials.js';
import type { Needle } from './matcher.js';

/** Characters. Shorter values would be found in ordinary words. The user part of a URL is hidden whatever its length. */
export const MIN_SECRET = 8;
/** Longer values are searched for in parts of this many characters. */
const PART = 256;

export interface SecretValue {
  /** Name of the variable or setting. */
  readonly name: string;
  readonly value: string;
  /**
   * `declared`: a node declares it, so no output may contain it. `login`: of a package index or a proxy; only the output of a
   * node that got the variable openly may contain it. `shown`: hidden in texts only.
   */
  readonly role: 'declared' | 'login' | 'shown';
}

export interface SecretSources {
  readonly declared: ReadonlySet<string>;
  readonly variables: Readonly<Record<string, string>>;
  /** Settings and proxies, whose URLs may contain logins. */
  readonly ofOperator: Readonly<Record<string, string>>;
  /** Headers of calls to the remote cache. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** URLs of package indexes that package managers read from the environment. */
const INDEX_URL =
  /^(PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|PROXY)|UV_(INDEX_URL|EXTRA_INDEX_URL|DEFAULT_INDEX|INDEX|FIND_LINKS)|PIPENV_PYPI_MIRROR|.*_PROXY)$/i;
const LOGIN = /^(UV_INDEX_\w+|POETRY_HTTP_BASIC_\w+|UV_PUBLISH|TWINE)_PASSWORD$|^POETRY_PYPI_TOKEN_/i;
const USER = /_USER(NAME)?$/i;

export const isUserName = (name: string): boolean => USER.test(name);

export function secretValues({ declared, variables, ofOperator, headers = {} }: SecretSources): readonly SecretValue[] {
  const found: SecretValue[] = [];
  for (const [name, value] of Object.entries(variables)) {
    const isDeclared = declared.has(name);
    const isLogin = INDEX_URL.test(name) || LOGIN.test(name);
    const role = isDeclared ? 'declared' : isLogin ? 'login' : 'shown';
    if (isDeclared || ((isCredentialName(name) || looksLikeToken(value)) && !isUserName(name)))
      found.push({ name, value, role });
    for (const login of loginsOf(value)) found.push({ name, value: login, role });
    const user = variables[name.replace(/_PASSWORD$/i, '_USERNAME')];
    if (LOGIN.test(name) && user !== undefined && user !== value) found.push({ name, value: `${user}:${value}`, role });
  }
  for (const [name, value] of Object.entries(ofOperator)) {
    for (const login of loginsOf(value)) found.push({ name, value: login, role: 'login' });
  }
  for (const [name, value] of Object.entries(headers)) {
    for (const part of partsOfHeader(value)) found.push({ name: `the header ${name}`, value: part, role: 'login' });
  }
  return found;
}

/** The value, what follows a scheme such as `Bearer`, and the login in a `Basic` header. */
function partsOfHeader(value: string): readonly string[] {
  const [, scheme = '', token] = /^([A-Za-z]+) +(\S+)$/.exec(value) ?? [];
  if (token === undefined) return [value];
  if (scheme.toLowerCase() !== 'basic') return [value, token];
  const login = Buffer.from(token, 'base64').toString('utf8');
  return [value, token, login, login.slice(login.indexOf(':') + 1)];
}

const USERINFO = /([a-z][a-z0-9+.-]{0,30}):\/\/([^/?#\s"'<>]*)@/gi;

/** Passwords, tokens and `user:password` in the URLs of a text, both encoded and decoded. */
export function loginsOf(text: string): readonly string[] {
  if (!text.includes('@')) return [];
  const logins = new Set<string>();
  for (const [, scheme = '', userinfo = ''] of text.matchAll(USERINFO)) {
    const colon = userinfo.indexOf(':');
    const password = colon < 0 ? '' : userinfo.slice(colon + 1);
    // In http URLs the user alone may be a token; `git@` in ssh URLs is a name.
    const parts = password !== '' ? [password, userinfo] : /^https?$/i.test(scheme) ? [userinfo] : [];
    for (const part of parts) for (const form of [part, decoded(part)]) logins.add(form);
  }
  return [...logins];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What to hide in texts; `secret` is the position in `values`. Plain words of role `shown` are not hidden. */
export const needlesForTexts = (values: readonly SecretValue[]): readonly Needle[] =>
  needles(values, ({ role }, part) => role !== 'shown' || !isPlainWords(part));

/** What no output may contain. A single line of a value counts only if it looks random. */
export const needlesForOutputs = (values: readonly SecretValue[]): readonly Needle[] =>
  needles(values, ({ role }, part, isWhole) => role !== 'shown' && (isWhole || isRandom(part)));

/** As for outputs, whatever the role. */
export const needlesForTraces = (values: readonly SecretValue[]): readonly Needle[] =>
  needles(values, (_, part, isWhole) => isWhole || isRandom(part));

function needles(
  values: readonly SecretValue[],
  isWanted: (value: SecretValue, part: string, isWhole: boolean) => boolean,
): readonly Needle[] {
  const found = new Map<string, Needle>();
  for (const [secret, value] of values.entries()) {
    const whole = value.value.trim();
    for (const part of partsOf(whole)) {
      for (const form of new Set([part, part.normalize('NFC'), part.normalize('NFD')])) {
        if ([...form].length < MIN_SECRET || !isWanted(value, form, part === whole)) continue;
        for (const piece of piecesOf(form)) found.set(`${secret} ${piece}`, { secret, value: piece });
      }
    }
  }
  return [...found.values()];
}

/** The value itself, its lines, and the strings in it if it is JSON. */
function partsOf(value: string): ReadonlySet<string> {
  const parts = new Set([value]);
  const leaves = /^[[{]/.test(value) ? stringsOf(value) : undefined;
  for (const text of leaves ?? [value]) {
    // A program that prints a string of the JSON prints its line ends unescaped.
    for (const line of text.split(/\r\n|\r|\n/).map((part) => part.trim())) {
      if (!/^-----(BEGIN|END) [A-Z0-9 ]+-----$/.test(line)) parts.add(line);
    }
  }
  return parts;
}

function stringsOf(text: string): readonly string[] | undefined {
  const strings: string[] = [];
  try {
    JSON.parse(text, (_, value: unknown) => {
      if (typeof value === 'string' && isRandom(value)) strings.push(value);
      return value;
    });
    return strings;
  } catch {
    return undefined;
  }
}

function piecesOf(value: string): readonly string[] {
  const characters = [...value];
  if (characters.length <= 2 * PART) return [value];
  const pieces: string[] = [];
  for (let at = 0; at < characters.length; at += PART) {
    const isNearEnd = characters.length - at < 2 * PART;
    pieces.push(characters.slice(at, isNearEnd ? characters.length : at + PART).join(''));
    if (isNearEnd) break;
  }
  return pieces;
}

/** `deploy-user`, `__token__`, `alpha-secret`: may occur in files that have nothing to do with the secret. */
export const isPlainWords = (value: string): boolean =>
  value.split(/[-_. :]+/).every((word) => /^(|[A-Z]?[a-z]{0,12}|[A-Z]{1,12})$/.test(word));

const isRandom = (value: string): boolean =>
  value.length >= 16 &&
  (/[0-9]/.test(value) || value.length >= 40) &&
  /[A-Za-z]/.test(value) &&
  !/^https?:\/\/[^@]*$/.test(value);
