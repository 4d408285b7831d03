// URLs of package indexes, with and without user and password: only commands may see the password.

import type { Host } from '../../../engine/sdk.js';

/** The default index of an install, possibly with user and password. Undefined for the built-in default of the tool. */
export const defaultIndex = (config: { readonly index?: string }, host: Host): string | undefined =>
  config.index ?? host.setting('INDEX');

/** URLs (one or several, separated by blanks) without user and password. */
export function withoutUserinfo(url: string): string {
  return url.replace(/(\/\/)[^/?#\s]*@/g, '$1');
}

/** Hides users and passwords of all URLs in a line of output. */
export const maskUserinfo = (line: string): string => line.replace(/(\w:\/\/)[^/?#\s'"@]+@/g, '$1****@');

export const hasUserinfo = (url: string): boolean => withoutUserinfo(url) !== url;
