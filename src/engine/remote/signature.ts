// Signed results: an ed25519 signature over the key and everything that a result says, kept in its metadata, where servers leave
// it alone. Blobs need none, because the result names them by digest.

import { sign, verify, type KeyObject } from 'node:crypto';
import type { ActionKey } from '../files/digest.js';
import { encodeActionResult, type ReapiResult } from '../trees/reapi-result.js';

/** Type of the Any that holds a signature. */
export const SIGNATURE_TYPE = 'type.googleapis.com/pyflow.ResultSignature';
const SIGNATURE_BYTES = 64;

/** What is signed. Servers fill in and strip contents, and change the metadata. */
function signedBytes(key: ActionKey, result: ReapiResult): Buffer {
  const { metadata: _metadata, stdoutRaw: _stdout, stderrRaw: _stderr, ...rest } = result;
  const outputFiles = result.outputFiles.map(({ contents: _contents, ...file }) => file);
  return Buffer.concat([Buffer.from(`pyflow-result-1\n${key}\n`), encodeActionResult({ ...rest, outputFiles })]);
}

export type SignedResult = 'valid' | 'unsigned' | 'wrong';

export const signResult = (key: ActionKey, result: ReapiResult, privateKey: KeyObject): Buffer =>
  sign(null, signedBytes(key, result), privateKey);

/** Whether one of the keys signed the result as that of `key`. */
export function checkSignature(key: ActionKey, result: ReapiResult, trusted: readonly KeyObject[]): SignedResult {
  const found = (result.metadata?.auxiliaryMetadata ?? []).filter(({ typeUrl }) => typeUrl === SIGNATURE_TYPE);
  const [first, ...more] = found;
  if (first === undefined) return 'unsigned';
  const { value } = first;
  // More than one has no meaning, and each costs time to check.
  if (more.length > 0 || value.length !== SIGNATURE_BYTES) return 'wrong';
  const bytes = signedBytes(key, result);
  return trusted.some((publicKey) => verify(null, bytes, publicKey, value)) ? 'valid' : 'wrong';
}
