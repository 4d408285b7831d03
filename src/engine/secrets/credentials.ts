// User names and passwords in URLs: hidden in messages, and removed from keys and their records.

import type { JSONValue } from '../../manifests/json-schema.js';

/** Up to the last `@` before the path, since a password may contain one. */
const USERINFO = /([a-z][a-z0-9+.-]{0,30}:\/\/)[^/?#\s"'<>]*@/gi;
const HTTP_USERINFO = /(https?:\/\/)[^/?#\s"'<>]*@/gi;
const PASSWORD = /([a-z][a-z0-9+.-]{0,30}:\/\/[^/?#\s"'<>:@]*):[^/?#\s"'<>]*@/gi;

const mayHold = (text: string): boolean => text.includes('@') && text.includes('://');

export const hideUserinfo = (text: string): string => (mayHold(text) ? text.replace(USERINFO, '$1***@') : text);

export const holdsUserinfo = (text: string): boolean => mayHold(text) && text.search(USERINFO) >= 0;

/**
 * For keys and their records. Removes the whole user part of http URLs, since the user of an index may be a token; of other
 * URLs only the password, since `ssh://git@host` is an address. Returns the value itself if nothing is removed.
 */
export function withoutCredentials<T extends JSONValue>(value: T): T {
  return (isFree(value) ? value : strip(value)) as T;
}

function isFree(value: JSONValue): boolean {
  if (typeof value === 'string') return !mayHold(value);
  if (typeof value !== 'object' || value === null) return true;
  for (const item of Object.values(value)) if (!isFree(item as JSONValue)) return false;
  return true;
}

/** Returns the same object if nothing is removed; callers rely on that. */
function strip(value: JSONValue): JSONValue {
  if (typeof value === 'string') return value.replace(HTTP_USERINFO, '$1').replace(PASSWORD, '$1@');
  if (typeof value !== 'object' || value === null) return value;
  let isSame = true;
  const entries = Object.entries(value).map(([name, item]) => {
    const stripped = strip(item as JSONValue);
    isSame &&= stripped === item;
    return [name, stripped] as const;
  });
  if (isSame) return value;
  return Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}
