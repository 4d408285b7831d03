// The spellings in which programs write a secret to logs and files, implemented independently of pyflow.

import { execFileSync } from 'node:child_process';

export type Spell = (value: string) => string;

const bytes = (value: string): readonly number[] => [...Buffer.from(value)];
const hex = (value: string): string => Buffer.from(value).toString('hex');
const base64 = (value: string): string => Buffer.from(value).toString('base64');
/** All bytes except letters and digits. */
const percent = (value: string, lower = false): string =>
  bytes(value)
    .map((byte) => {
      const character = String.fromCharCode(byte);
      const digits = byte.toString(16).padStart(2, '0');
      return /[A-Za-z0-9]/.test(character) ? character : `%${lower ? digits : digits.toUpperCase()}`;
    })
    .join('');

export const SPELLINGS: Readonly<Record<string, Spell>> = {
  raw: (value) => value,
  json: (value) => JSON.stringify(value),
  'json in json': (value) => JSON.stringify(JSON.stringify({ token: value })),
  'json with escaped slashes and non-ASCII': (value) =>
    JSON.stringify(value)
      .replaceAll('/', '\\/')
      .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'url, as JavaScript': encodeURIComponent,
  'url, every sign': (value) => percent(value),
  'url, small letters': (value) => percent(value, true),
  'url, form': (value) => new URLSearchParams({ token: value }).toString(),
  'url, twice': (value) => encodeURIComponent(encodeURIComponent(value)),
  base64,
  'base64, for URLs': (value) => Buffer.from(value).toString('base64url'),
  'base64, behind one byte': (value) => base64(`x${value}y`),
  'base64, behind two bytes': (value) => base64(`xy${value}`),
  'base64, in lines': (value) => base64(`user:${value}`).replace(/.{19}/g, '$&\n'),
  'base64, in JSON': (value) => JSON.stringify(base64(value).replace(/.{16}/g, '$&\n')),
  'a Basic login': (value) => `Authorization: Basic ${base64(`user:${value}`)}`,
  hex,
  'hex, capitals': (value) => hex(value).toUpperCase(),
  'hex, with colons': (value) => hex(value).replace(/..(?=.)/g, '$&:'),
  'html, named': (value) =>
    value
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
  'html, decimal': (value) => [...value].map((one) => `&#${one.codePointAt(0)};`).join(''),
  'html, hex': (value) => [...value].map((one) => `&#x${one.codePointAt(0)?.toString(16)};`).join(''),
  'quoted for a shell': (value) => `'${value.replaceAll("'", `'\\''`)}'`,
  'backslashes of a shell': (value) => value.replace(/[^A-Za-z0-9\u0080-\uffff]/g, '\\$&'),
  'bytes of Python': (value) =>
    `b'${bytes(value)
      .map((byte) =>
        byte > 31 && byte < 127 && byte !== 92 && byte !== 39
          ? String.fromCharCode(byte)
          : `\\x${byte.toString(16).padStart(2, '0')}`,
      )
      .join('')}'`,
  'UTF-16': (value) => Buffer.from(value, 'utf16le').toString('latin1'),
  'with colours inside': (value) => `${[...value].slice(0, 5).join('')}\u001b[1;31m${[...value].slice(5).join('')}`,
  'with control characters inside': (value) => [...value].join('\u0000'),
  'with marks of no width inside': (value) => [...value].join('\u200b'),
};

/** Spellings as the machine's Python writes them; undefined without Python. */
export function pythonSpellings(value: string): Readonly<Record<string, string>> | undefined {
  const script = `
import base64, html, json, pprint, shlex, sys, urllib.parse as u
v = sys.stdin.read()
print(json.dumps({
  'repr': repr(v), 'ascii': ascii(v), 'dumps': json.dumps(v), 'quote': u.quote(v), 'quote all': u.quote(v, safe=''),
  'quote plus': u.quote_plus(v), 'html': html.escape(v), 'shlex': shlex.quote(v), 'pprint': pprint.pformat([v] * 3, width=30),
  'encodebytes': base64.encodebytes(v.encode()).decode(), 'bytes': repr(v.encode()), 'urlsafe': base64.urlsafe_b64encode(v.encode()).decode(),
  'xmlchar': v.encode('ascii', 'xmlcharrefreplace').decode(), 'backslash': v.encode('ascii', 'backslashreplace').decode(),
}))`;
  try {
    return JSON.parse(execFileSync('python3', ['-c', script], { input: value, encoding: 'utf8' })) as Record<
      string,
      string
    >;
  } catch {
    return undefined;
  }
}
