// Makes everything that a server wants before it hands out a result: the action, all files and folders, the log, the result
// itself with its signature.

import type { KeyObject } from 'node:crypto';
import type { ActionKey, Digest } from '../files/digest.js';
import type { LocalStore } from '../store/local-store.js';
import { reapiOf } from '../store/results.js';
import type { ActionResult } from '../store/store.js';
import { directoriesOf } from '../trees/directories.js';
import { layerText } from '../trees/layers.js';
import { encodeDirectory } from '../trees/reapi.js';
import { encodeActionResult, type ReapiResult } from '../trees/reapi-result.js';
import type { DirectoryTable } from '../trees/tree.js';
import { fitsInline, INLINE_TYPE, inlineValue } from './inline-blobs.js';
import { SIGNATURE_TYPE, signResult } from './signature.js';
import type { PreparedUpload } from './upload-queue.js';

/** In the results that machines of pyflow upload. */
export const OWN_WORKER = 'pyflow';

export interface UploadSource {
  /** Key of the action on the server. */
  readonly key: ActionKey;
  /** The Action, and the messages that it names and that are not in the store. */
  readonly messages: ReadonlyMap<Digest, Buffer>;
  readonly result: ActionResult;
  /** Has the directories of the result's layers. */
  readonly table: DirectoryTable;
  readonly sign: KeyObject | undefined;
}

/** Undefined if the store has lost a part. */
export async function prepareUpload(source: UploadSource, store: LocalStore): Promise<PreparedUpload | undefined> {
  const { key, messages, result, table, sign } = source;
  const message = reapiOf(result);
  const blobs = new Map<Digest, Uint8Array>(messages);
  for (const { digest, contents } of message.outputFiles) if (contents !== undefined) blobs.set(digest, contents);
  const layers = [result.layer, result.tool].filter((layer) => layer !== undefined);
  const stored = new Set<Digest>(result.log === undefined ? [] : [result.log]);
  for (const layer of layers) {
    stored.add(layer.tree);
    blobs.set(layer.digest, layerText(layer));
    for (const [digest, directory] of directoriesOf(table, layer.root)) {
      blobs.set(digest, encodeDirectory(directory));
      for (const file of directory.files) stored.add(file.digest);
    }
  }
  const small: Buffer[] = [];
  for (const digest of [...layers.map(({ tree }) => tree), ...(result.log === undefined ? [] : [result.log])]) {
    if (!fitsInline(digest)) continue;
    const bytes = await store.read(digest);
    if (bytes === undefined) return undefined;
    small.push(bytes);
  }
  return { key, result: encodeActionResult(withMetadata(message, { key, sign, small })), blobs, stored: [...stored] };
}

interface Extras {
  readonly key: ActionKey;
  readonly sign: KeyObject | undefined;
  readonly small: readonly Buffer[];
}

function withMetadata(message: ReapiResult, { key, sign, small }: Extras): ReapiResult {
  const signature = sign === undefined ? undefined : signResult(key, message, sign);
  const inline = inlineValue(small);
  const auxiliaryMetadata = [
    ...(signature === undefined ? [] : [{ typeUrl: SIGNATURE_TYPE, value: signature }]),
    ...(inline === undefined ? [] : [{ typeUrl: INLINE_TYPE, value: inline }]),
  ];
  // Without a worker, bazel-remote puts the address of the uploader there.
  return { ...message, metadata: { worker: OWN_WORKER, auxiliaryMetadata } };
}
