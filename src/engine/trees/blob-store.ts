// What trees need of a store: bytes by digest. A store may lose, it may never lie.

import type { Digest } from '../files/digest.js';
import type { FileForm } from '../files/new-files.js';
import type { Watch } from '../secrets/output-scanner.js';

export interface BlobStore {
  has(digest: Digest): boolean;
  /** Undefined when the blob is missing or its bytes are not the digest's. */
  read(digest: Digest): Promise<Buffer | undefined>;
  /** Stores bytes already in memory. */
  write(digest: Digest, bytes: Uint8Array): void;
  /** Digests and stores a file of any size, streamed. `watch` sees all bytes before they are stored, and may throw. */
  writeFile(path: string, watch?: Watch): Promise<Digest>;
  /**
   * Puts the blob's bytes into a new file of this mode and time; false when the blob is missing or wrong, and then no
   * file is left.
   */
  materialize(digest: Digest, path: string, form: FileForm): Promise<boolean>;
}
