// Package URLs (purl) of what is in a slug.

/** RFC 3986, and the colon as purl allows it. */
const encoded = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%3A', ':');

/** `key`: the normalized name. */
export const pypiUrl = ({ key, version }: { readonly key: string; readonly version: string }): string =>
  `pkg:pypi/${encoded(key)}${version === '' ? '' : `@${encoded(version)}`}`;

export const genericUrl = (name: string, version: string): string =>
  `pkg:generic/${encoded(name)}${version === '' ? '' : `@${encoded(version)}`}`;

export const debianUrl = (name: string, version: string): string => `pkg:deb/${encoded(name)}@${encoded(version)}`;
