declare module '@foxglove/wasm-zstd/dist/wasm-zstd.js' {
  interface ZstdModule {
    readonly HEAPU8: Uint8Array;
    _malloc(bytes: number): number;
    _free(pointer: number): void;
    _compressBound(bytes: number): number;
    /** Returns the size, or -1. */
    _compress(to: number, capacity: number, from: number, bytes: number, level: number): number;
  }
  const factory: (options: { readonly wasmBinary: Uint8Array }) => Promise<ZstdModule>;
  export default factory;
}
