// Makes valid and hostile archives, without checks.

import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

export interface TarEntry {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo';
  readonly content?: string | Buffer;
  readonly linkname?: string;
  readonly mode?: number;
  readonly pax?: Readonly<Record<string, string>>;
}

export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) {
    const linkname = header.linkname === undefined ? {} : { linkname: header.linkname };
    tar.entry({ mode: 0o644, mtime: new Date(0), ...header, ...linkname }, content ?? '');
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const tarGzOf = async (entries: readonly TarEntry[]): Promise<Buffer> => gzipSync(await tarOf(entries));

/** Gives the header block at `offset` another type flag and a matching checksum. */
export function withTypeFlag(tar: Buffer, offset: number, flag: string): Buffer {
  const changed = Buffer.from(tar);
  changed.write(flag, offset + 156, 1, 'latin1');
  return withChecksum(changed, offset);
}

/** Gives the header block at `offset` another size and a matching checksum. */
export function withSize(tar: Buffer, offset: number, size: number): Buffer {
  const changed = Buffer.from(tar);
  changed.write(`${size.toString(8).padStart(11, '0')}\0`, offset + 124, 12, 'latin1');
  return withChecksum(changed, offset);
}

function withChecksum(changed: Buffer, offset: number): Buffer {
  changed.write('        ', offset + 148, 8, 'latin1');
  let sum = 0;
  for (const byte of changed.subarray(offset, offset + 512)) sum += byte;
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, offset + 148, 8, 'latin1');
  return changed;
}
