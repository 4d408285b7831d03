// The compiled library for zstd. The build replaces this module with one that contains the bytes.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const zstdBytes = (): Uint8Array =>
  readFileSync(createRequire(import.meta.url).resolve('@foxglove/wasm-zstd/dist/wasm-zstd.wasm'));
