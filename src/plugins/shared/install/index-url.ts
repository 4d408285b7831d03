// URLs of package indexes: what may be shown and keyed, and what only a command may see.

import type { Host } from '../../../engine/sdk.js';

/** The default index of an install, maybe with user and password; undefined for the one that the tool has by itself. */
export const defaultIndex = (config: { readonly index?: string }, host: Host): string | undefined =>
  config.index ?? host.setting('INDEX');

/** URLs (one, or several with blanks between) without user and password. */
export function withoutUserinfo(url: string): string {
  return url.replace(/(\/\/)[^/?#\s]*@/g, '$1');
}

/** Hides users and passwords of all URLs in a line of output. */
export const maskUserinfo = (line: string): string => line.replace(/(\w:\/\/)[^/?#\s'"@]+@/g, '$1****@');

export const hasUserinfo = (url: string): boolean => withoutUserinfo(url) !== url;
