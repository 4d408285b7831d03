// Headers of tar entries for files, folders and links: the owner is always 0, and a name that the header can't hold precedes
// it as a POSIX attribute.

const BLOCK = 512;
const MOST_NAME_BYTES = 100;
const MOST_PREFIX_BYTES = 155;
const MOST_SIZE = 8 * 1024 ** 3 - 1;

export interface TarMember {
  /** With slashes, without one at the end. */
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink';
  /** Bytes of content that follow; 0 unless it is a file. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtimeS: number;
  /** Of a link; otherwise empty. */
  readonly target: string;
}

/** The two blocks of zeros that end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** Zeros that fill the last block of a content. */
export const tarPadding = (size: number): Buffer => TAR_END.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);

const FLAGS = { file: '0', directory: '5', symlink: '2' } as const;

/** The header, after the one with the attributes if there are any. */
export function tarHeader(member: TarMember): Buffer {
  const { type, size, mode, mtimeS, target } = member;
  const name = type === 'directory' ? `${member.name}/` : member.name;
  const split = splitName(name);
  const attributes = [
    ...(split === undefined ? [attribute('path', name)] : []),
    ...(isPlain(target) && target.length <= MOST_NAME_BYTES ? [] : [attribute('linkpath', target)]),
  ];
  const { prefix, rest } = split ?? { prefix: '', rest: cut(name) };
  const own = block({ rest, prefix, flag: FLAGS[type], size, mode, mtimeS, target: cut(target) });
  if (attributes.length === 0) return own;
  const text = Buffer.concat(attributes);
  const about = { rest: 'PaxHeader', prefix: '', flag: 'x', size: text.length, mode: 0o644, mtimeS, target: '' };
  return Buffer.concat([block(about), text, tarPadding(text.length), own]);
}

const isPlain = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);
/** What readers without attributes show. */
const cut = (text: string): string => text.replace(/[^\x20-\x7e]/g, '_').slice(0, MOST_NAME_BYTES);

/** Undefined if the fields of the header can't hold the name. */
function splitName(name: string): { readonly prefix: string; readonly rest: string } | undefined {
  if (!isPlain(name)) return undefined;
  if (name.length <= MOST_NAME_BYTES) return { prefix: '', rest: name };
  const slash = name.indexOf('/', name.length - MOST_NAME_BYTES - 1);
  if (slash <= 0 || slash > MOST_PREFIX_BYTES || slash === name.length - 1) return undefined;
  return { prefix: name.slice(0, slash), rest: name.slice(slash + 1) };
}

/** `LENGTH KEY=VALUE\n`; the length counts the whole record. */
function attribute(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface Fields {
  readonly rest: string;
  readonly prefix: string;
  readonly flag: string;
  readonly size: number;
  readonly mode: number;
  readonly mtimeS: number;
  readonly target: string;
}

const SUM_AT = 148;

function block({ rest, prefix, flag, size, mode, mtimeS, target }: Fields): Buffer {
  if (size > MOST_SIZE) throw new Error(`no header can hold ${size} bytes`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
  for (const [at, text] of [
    [0, rest],
    [100, octal(mode, 7)],
    [108, octal(0, 7)],
    [116, octal(0, 7)],
    [124, octal(size, 11)],
    [136, octal(mtimeS, 11)],
    // The sum counts its own field as spaces.
    [SUM_AT, '        '],
    [156, flag],
    [157, target],
    [257, 'ustar\u000000'],
    [345, prefix],
  ] as const)
    header.write(text, at, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, SUM_AT, 'latin1');
  return header;
}
