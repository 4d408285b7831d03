// Parses the bytes of a tar archive as they arrive and hands on its entries. Strict, because the bytes are untrusted: it
// never waits for more than the format promises.

export interface TarEntry {
  readonly name: string;
  /** An unpacker should refuse `other`; `typeName` says what it is. */
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  readonly typeName: string;
  /** Of a file; 0 for everything else. */
  readonly size: number;
  readonly mode: number;
  /** Of links. */
  readonly target: string;
}

interface TarHandler {
  /** Returns the function that gets the content of the entry; undefined to skip it. */
  onEntry(entry: TarEntry): ((chunk: Buffer) => void) | undefined;
  /** The content of a file is complete. */
  onEnd(): void;
}

/** The bytes are not a tar archive, or end too early. */
/** The bytes are no tar archive that the reader accepts. */
export class TarError extends Error {}

const BLOCK = 512;
/** For the long names and attributes of one entry; honest archives need far less. */
const MAX_HEADER_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(BLOCK);

const TYPES: Readonly<Record<string, readonly [TarEntry['type'], string]>> = {
  '\0': ['file', 'a file'],
  '0': ['file', 'a file'],
  '1': ['link', 'a hard link'],
  '2': ['symlink', 'a link'],
  '3': ['other', 'a device'],
  '4': ['other', 'a device'],
  '5': ['directory', 'a folder'],
  '6': ['other', 'a pipe'],
  '7': ['file', 'a file'],
  S: ['other', 'a sparse file'],
};

/** `x` and `g`: POSIX attributes of the next entry and of all that follow; `L` and `K`: GNU long name and target. */
type HeaderFlag = 'x' | 'g' | 'L' | 'K';
const isHeaderFlag = (flag: string): flag is HeaderFlag => ['x', 'g', 'L', 'K'].includes(flag);

type State =
  | { readonly type: 'block' }
  | {
      readonly type: 'content';
      left: number;
      readonly padding: number;
      readonly sink: ((chunk: Buffer) => void) | undefined;
    }
  | {
      readonly type: 'header';
      readonly flag: HeaderFlag;
      left: number;
      readonly padding: number;
      readonly chunks: Buffer[];
    }
  | { readonly type: 'padding'; left: number }
  | { readonly type: 'done' };

type Attributes = Readonly<Record<string, string>>;

export class TarReader {
  #state: State = { type: 'block' };
  #partial: Buffer = Buffer.alloc(0);
  #sawZeroBlock = false;
  #global: Attributes = {};
  #attributes: Attributes = {};
  #longName: string | undefined;
  #longTarget: string | undefined;

  constructor(readonly handler: TarHandler) {}

  /** Throws a TarError, and whatever the handler throws. */
  write(chunk: Buffer): void {
    let rest = chunk;
    // What follows the end of the archive is padding and is ignored.
    while (rest.length > 0 && this.#state.type !== 'done') rest = this.#step(rest);
  }

  end(): void {
    if (
      this.#state.type !== 'done' &&
      !(this.#sawZeroBlock && this.#state.type === 'block' && this.#partial.length === 0)
    )
      throw new TarError('it ends before its end mark');
  }

  /** Consumes some of the bytes and returns the rest. */
  #step(bytes: Buffer): Buffer {
    const state = this.#state;
    if (state.type === 'block') return this.#collectBlock(bytes);
    if (state.type === 'done') return ZEROS.subarray(0, 0);
    const taken = bytes.subarray(0, state.left);
    state.left -= taken.length;
    if (state.type === 'content') state.sink?.(taken);
    if (state.type === 'header') state.chunks.push(taken);
    if (state.left === 0) this.#complete(state);
    return bytes.subarray(taken.length);
  }

  #complete(state: Exclude<State, { readonly type: 'block' | 'done' }>): void {
    if (state.type === 'content') this.handler.onEnd();
    if (state.type === 'header') this.#takeHeader(state.flag, Buffer.concat(state.chunks));
    const padding = state.type === 'padding' ? 0 : state.padding;
    this.#state = padding === 0 ? { type: 'block' } : { type: 'padding', left: padding };
  }

  #collectBlock(bytes: Buffer): Buffer {
    if (this.#partial.length === 0 && bytes.length >= BLOCK) {
      this.#takeBlock(bytes.subarray(0, BLOCK));
      return bytes.subarray(BLOCK);
    }
    const missing = BLOCK - this.#partial.length;
    const block = Buffer.concat([this.#partial, bytes.subarray(0, missing)]);
    this.#partial = Buffer.alloc(0);
    if (block.length === BLOCK) this.#takeBlock(block);
    else this.#partial = block;
    return bytes.subarray(missing);
  }

  #takeBlock(block: Buffer): void {
    if (block[0] === 0 && block.equals(ZEROS)) {
      if (this.#sawZeroBlock) this.#state = { type: 'done' };
      this.#sawZeroBlock = true;
      return;
    }
    this.#sawZeroBlock = false;
    checkSum(block);
    const flag = block.toString('latin1', 156, 157);
    const size = sizeOf(block);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (isHeaderFlag(flag)) {
      if (size > MAX_HEADER_BYTES) throw new TarError('the names and attributes of an entry are too long');
      if (size === 0) this.#takeHeader(flag, ZEROS.subarray(0, 0));
      else this.#state = { type: 'header', flag, left: size, padding, chunks: [] };
      return;
    }
    this.#takeEntry(block, flag, size);
  }

  #takeHeader(flag: HeaderFlag, bytes: Buffer): void {
    if (flag === 'x') this.#attributes = attributesIn(bytes);
    else if (flag === 'g') this.#global = { ...this.#global, ...attributesIn(bytes) };
    else if (flag === 'L') this.#longName = textUntilNul(bytes, 0, bytes.length);
    else this.#longTarget = textUntilNul(bytes, 0, bytes.length);
  }

  #takeEntry(block: Buffer, flag: string, headerSize: number): void {
    const attributes = { ...this.#global, ...this.#attributes };
    // An attribute without a value cancels a global one.
    const longName = this.#longName;
    const name = attributes['path'] || longName || nameOf(block);
    const target = attributes['linkpath'] || this.#longTarget || textUntilNul(block, 157, 100);
    this.#attributes = {};
    this.#longName = undefined;
    this.#longTarget = undefined;

    const isSparse = Object.keys(attributes).some((key) => key.startsWith('GNU.sparse.'));
    const isFolderByName = (flag === '\0' || flag === '0') && name.endsWith('/');
    const known = TYPES[isSparse ? 'S' : isFolderByName ? '5' : flag];
    const [type, typeName] = known ?? ['other', `of the unknown type ${JSON.stringify(flag)}`];
    if (attributes['path'] && longName && attributes['path'] !== longName)
      throw new TarError(`the entry ${JSON.stringify(name)} has a second name, ${JSON.stringify(longName)}`);
    const size = type === 'other' ? 0 : sizeOfEntry({ name, type, typeName }, headerSize, attributes['size']);
    const mode = Number.parseInt(textUntilNul(block, 100, 8).trim(), 8) || 0;
    const sink = this.handler.onEntry({ name, type, typeName, size, mode, target });
    if (type !== 'file') return;
    if (size === 0) this.handler.onEnd();
    else this.#state = { type: 'content', left: size, padding: (BLOCK - (size % BLOCK)) % BLOCK, sink };
  }
}

function checkSum(block: Buffer): void {
  let sum = 8 * 32;
  for (let at = 0; at < 148; at += 1) sum += block[at] as number;
  for (let at = 156; at < BLOCK; at += 1) sum += block[at] as number;
  if (sum !== octal(block, 148, 8)) throw new TarError('the checksum of a header is wrong');
}

function sizeOf(block: Buffer): number {
  const first = block[124] as number;
  if (first < 0x80) return octal(block, 124, 12);
  // GNU writes large sizes as a mark and a binary number. Negative ones make no sense.
  if (first !== 0x80) throw new TarError('the size of an entry is not a number');
  let size = 0;
  for (let at = 125; at < 136; at += 1) size = size * 256 + (block[at] as number);
  if (!Number.isSafeInteger(size)) throw new TarError('the size of an entry is too large');
  return size;
}

function octal(block: Buffer, at: number, length: number): number {
  const digits = /^ *([0-7]*)[ \0]*$/.exec(block.toString('latin1', at, at + length))?.[1];
  if (digits === undefined) throw new TarError('a number in a header is invalid');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** From this size on the header has no room for it, and holds nothing or part of it. */
const BEYOND_HEADER = 8 * 1024 ** 3;

/** Readers that trust different sizes would find different entries after this one, so the sizes must agree. */
function sizeOfEntry(
  { name, type, typeName }: Pick<TarEntry, 'name' | 'type' | 'typeName'>,
  inHeader: number,
  inAttributes: string | undefined,
): number {
  const size = inAttributes ? decimal(inAttributes) : inHeader;
  if (type !== 'file') {
    if (size > 0 || inHeader > 0) {
      throw new TarError(`the entry ${JSON.stringify(name)} has content, although it is ${typeName}`);
    }
    return 0;
  }
  if (size !== inHeader && size < BEYOND_HEADER) {
    throw new TarError(`the entry ${JSON.stringify(name)} has two sizes, ${inHeader} and ${size}`);
  }
  return size;
}

function decimal(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new TarError('the size of an entry is not a number');
  return number;
}

function nameOf(block: Buffer): string {
  const name = textUntilNul(block, 0, 100);
  // GNU tar uses the field of the prefix for other things.
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  return isPosix && block[345] !== 0 ? `${textUntilNul(block, 345, 155)}/${name}` : name;
}

function textUntilNul(bytes: Buffer, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const nul = field.indexOf(0);
  return field.toString('utf8', 0, nul === -1 ? field.length : nul);
}

/** Records of the form `LENGTH KEY=VALUE\n`; the length counts the whole record. */
function attributesIn(bytes: Buffer): Attributes {
  const attributes: Record<string, string> = Object.create(null) as Record<string, string>;
  let at = 0;
  while (at < bytes.length && bytes[at] !== 0) {
    const space = bytes.indexOf(0x20, at);
    const digits = space === -1 || space - at > 8 ? '' : bytes.toString('latin1', at, space);
    const end = at + decimal(digits);
    const equals = bytes.indexOf(0x3d, space);
    if (end > bytes.length || end <= space || bytes[end - 1] !== 0x0a || equals === -1 || equals >= end)
      throw new TarError('the attributes of an entry are broken');
    attributes[bytes.toString('utf8', space + 1, equals)] = bytes.toString('utf8', equals + 1, end - 1);
    at = end;
  }
  return attributes;
}
