// Digests of bytes, in the form that the store, trees and keys share.

import { createHash, hash as oneShot } from 'node:crypto';

declare const digestBrand: unique symbol;
/** `HEX/SIZE`: lower-case SHA-256, a slash, the size in bytes. REAPI's Digest as one string, fit for map keys. */
export type Digest = string & { readonly [digestBrand]: true };

declare const keyBrand: unique symbol;
/** Digest of a canonical REAPI Action. */
export type ActionKey = Digest & { readonly [keyBrand]: true };

/** Node >= 20.12 has a one-shot hash, several times cheaper than a Hash object for small inputs. */
export const sha256Hex = (bytes: Uint8Array | string): string =>
  typeof oneShot === 'function' ? oneShot('sha256', bytes, 'hex') : createHash('sha256').update(bytes).digest('hex');

export const makeDigest = (hex: string, size: number): Digest => `${hex}/${size}` as Digest;
export const digestOf = (bytes: Uint8Array | string): Digest =>
  makeDigest(sha256Hex(bytes), typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.byteLength);
export const hexOf = (digest: Digest): string => digest.slice(0, 64);
export const sizeOf = (digest: Digest): number => Number(digest.slice(65));

export const EMPTY_DIGEST = digestOf('');
