// The only importer of @foxglove/wasm-zstd, a build of zstd that gives the same bytes on every machine. Uses its functions
// directly, because its own entry looks for the compiled code beside itself, and pyflow is one file.

import factory from '@foxglove/wasm-zstd/dist/wasm-zstd.js';
import { zstdBytes } from './zstd-bytes.js';

let loading: Promise<(piece: Uint8Array, level: number) => Uint8Array> | undefined;

/** Returns the function that compresses a piece into one frame. */
export const zstdLibrary = (): NonNullable<typeof loading> => (loading ??= load());

async function load(): NonNullable<typeof loading> {
  const library = await factory({ wasmBinary: zstdBytes() });
  return (piece, level) => {
    const most = library._compressBound(piece.length);
    const [from, to] = [library._malloc(piece.length), library._malloc(most)];
    try {
      if (from === 0 || to === 0) throw Object.assign(new Error('no memory for zstd'), { code: 'ENOMEM' });
      // Each access asks for HEAPU8 again: it is replaced when the memory grows.
      library.HEAPU8.set(piece, from);
      const size = library._compress(to, most, from, piece.length, level);
      if (size < 0) throw new Error('zstd could not compress a piece');
      return library.HEAPU8.slice(to, to + size);
    } finally {
      library._free(from);
      library._free(to);
    }
  };
}
