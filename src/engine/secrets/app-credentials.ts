// Recognizes variables of the app that contain credentials although no node declares them as secrets, by name or by value.

import { canonicalJSON, type JSONValue } from '../../manifests/json-schema.js';
import { holdsUserinfo } from './credentials.js';

/** Logins that package managers read from the environment. */
const INDEX_LOGIN =
  /^(UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)|UV_PUBLISH_(USERNAME|PASSWORD|TOKEN)|POETRY_HTTP_BASIC_[A-Z0-9_]+_(USERNAME|PASSWORD)|POETRY_PYPI_TOKEN_[A-Z0-9_]+|TWINE_(USERNAME|PASSWORD))$/i;
/** By the end of the name, so `PASSWORD_HASHERS` and `AUTH_USER_MODEL` don't count. */
const CREDENTIAL = /(^|_)(PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|TOKEN|SECRET|APIKEY|KEY|KEY_BASE|CREDENTIALS?|AUTH)$/i;
/** Tokens of well-known services, by their prefix, and JSON Web Tokens. */
const TOKEN =
  /^(gh[opsur]_|github_pat_|glpat-|sk_(live|test)_|rk_live_|sk-|xox[abpr]-|AKIA|ASIA|AIza|npm_|pypi-|hf_|SG\.|ey[JK][A-Za-z0-9_-]+\.)[A-Za-z0-9_.-]{12,}$/;
/** A shorter value is a switch or a number and would be found in any text. */
const MIN_LENGTH = 6;

const isIndexLogin = (name: string): boolean => INDEX_LOGIN.test(name);

/** Whatever the name of its variable is. */
export const looksLikeToken = (value: string): boolean =>
  TOKEN.test(value) ||
  (/^[A-Za-z0-9+=_-]{24,200}$/.test(value) && [/[a-z]/, /[A-Z]/, /[0-9]/].every((kind) => kind.test(value)));

export const isCredentialName = (name: string): boolean => isIndexLogin(name) || CREDENTIAL.test(name);

/**
 * Whether a plugin looked up a variable whose value is not in its key, for example the login of a package index. Other apps
 * must not get what was made with it.
 */
export function usedUnkeyed(
  lookedUp: ReadonlySet<string>,
  keyed: { readonly env: readonly string[]; readonly facts: JSONValue },
  variables: Readonly<Record<string, string>>,
): boolean {
  let facts: string | undefined;
  for (const name of lookedUp) {
    const value = variables[name];
    if (value === undefined || keyed.env.includes(name)) continue;
    if (isCredentialName(name) || holdsUserinfo(value)) return true;
    if (value.length < MIN_LENGTH) continue;
    facts ??= canonicalJSON(keyed.facts);
    if (!facts.includes(JSON.stringify(value).slice(1, -1))) return true;
  }
  return false;
}
