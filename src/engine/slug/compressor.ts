// Compression whose bytes depend on nothing but the input: libraries of a pinned version, not those of Node, which differ between
// versions and processors. Compresses piece by piece, because a row of whole gzip members or zstd frames is a valid file.

import { zstdLibrary } from './zstd-library.js';

export type Compression = 'none' | 'gzip' | 'zstd';

export interface Compressor {
  /** Changes with every change of the bytes that it makes; enters keys. */
  readonly version: string;
  compress(piece: Uint8Array): Uint8Array;
}

/** Bytes that are compressed at once. Part of the format, since larger pieces give other bytes. */
export const PIECE = 4 * 1024 * 1024;

const GZIP_LEVEL = 3;
const ZSTD_LEVEL = 3;

/** Loads the library. */
export async function openCompressor(compression: Compression): Promise<Compressor> {
  if (compression === 'none') return { version: 'none', compress: (piece) => piece };
  if (compression === 'gzip') {
    const { gzipSync } = await import('fflate');
    return {
      version: `fflate-0.8.3-${GZIP_LEVEL}`,
      // The default time is the current one.
      compress: (piece) => gzipSync(piece, { level: GZIP_LEVEL, mtime: 0 }),
    };
  }
  const compress = await zstdLibrary();
  return { version: `foxglove-zstd-1.0.1-${ZSTD_LEVEL}`, compress: (piece) => compress(piece, ZSTD_LEVEL) };
}
