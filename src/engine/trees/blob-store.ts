// What trees need of a store: bytes by digest. A store may lose bytes, but never returns wrong ones.

import type { Digest } from '../files/digest.js';
import type { FileForm } from '../files/new-files.js';
import type { Watch } from '../secrets/output-scanner.js';

export interface BlobStore {
  has(digest: Digest): boolean;
  /** Undefined if the blob is missing or its bytes don't match the digest. */
  read(digest: Digest): Promise<Buffer | undefined>;
  /** Stores bytes that are in memory. */
  write(digest: Digest, bytes: Uint8Array): void;
  /**
   * Digests and stores a file of any size as a stream. `watch` sees all bytes before they are stored, and can throw to
   * prevent that.
   */
  writeFile(path: string, watch?: Watch): Promise<Digest>;
  /**
   * Writes the blob to a new file with this mode and time. False if the blob is missing or damaged; then there is no
   * file.
   */
  materialize(digest: Digest, path: string, form: FileForm): Promise<boolean>;
  /**
   * Says which blobs will be needed soon, so that a store that gets blobs from elsewhere can get them together. Those that
   * it can't get stay missing.
   */
  prefetch?(digests: readonly Digest[]): Promise<void>;
}
