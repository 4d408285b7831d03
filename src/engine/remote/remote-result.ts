// Checks what a server answers to a look-up, before anything uses it: only what pyflow itself would have uploaded passes, and
// nothing is repaired. Trees and files are checked where they arrive.

import type { KeyObject } from 'node:crypto';
import { fail, succeed, type Result } from '../failure.js';
import { digestOf, type ActionKey, type Digest } from '../files/digest.js';
import { isForeignResult } from '../store/foreign-result.js';
import type { ActionResult } from '../store/store.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import { decodeActionResult, type ReapiResult } from '../trees/reapi-result.js';
import type { Layer } from '../trees/tree.js';
import { inlineBlobsOf } from './inline-blobs.js';
import { checkSignature } from './signature.js';

/** Bytes of a result with all that is inline. */
const MOST_BYTES = 16 * 1024 ** 2;
/** Clocks of machines differ. A result from further ahead would never become too old. */
const MOST_AHEAD_MS = 60_000;

/** Why an answer counts as a miss. */
export interface Refused {
  readonly why: 'unsigned' | 'wrong-signature' | 'invalid';
  /** For people, as part of a sentence. */
  readonly detail: string;
}

/** A result of which the signature and the message are checked, but not yet what result.json says. */
export interface Envelope {
  readonly message: ReapiResult;
  readonly resultFile: Digest;
  /** Undefined if the server has not put it into the answer. */
  readonly contents: Buffer | undefined;
  /** Blobs that the uploader has put into the answer. Each matches its digest. */
  readonly inline: ReadonlyMap<Digest, Buffer>;
}

const invalid = (detail: string) => fail<Refused>({ why: 'invalid', detail });

/** `key` is that of the action on the server. */
export function openEnvelope(
  key: ActionKey,
  bytes: Uint8Array,
  trust: readonly KeyObject[],
): Result<Envelope, Refused> {
  if (bytes.length > MOST_BYTES) return invalid('it is larger than 16 MiB');
  const message = decodeActionResult(bytes);
  return message === undefined ? invalid('it is no valid message') : envelopeOf(key, message, trust);
}

export function envelopeOf(
  key: ActionKey,
  message: ReapiResult,
  trust: readonly KeyObject[],
): Result<Envelope, Refused> {
  if (message.exitCode !== 0) return invalid(`it is the result of a failure (exit status ${message.exitCode})`);
  if (trust.length > 0) {
    const signature = checkSignature(key, message, trust);
    if (signature === 'unsigned') return fail({ why: 'unsigned', detail: 'it has no signature' });
    if (signature === 'wrong') return fail({ why: 'wrong-signature', detail: 'no trusted key has signed it' });
  }
  const file = message.outputFiles.find(({ path }) => path === OUTPUT_PATHS.result);
  if (file === undefined) return invalid('it has no result.json');
  const contents = file.contents === undefined ? undefined : Buffer.from(file.contents);
  if (contents !== undefined && digestOf(contents) !== file.digest) return invalid('its result.json has other bytes');
  return succeed({ message, resultFile: file.digest, contents, inline: inlineBlobsOf(message) });
}

/** What result.json says. `now` in milliseconds since the epoch. */
export function resultIn({ message }: Envelope, contents: Buffer, now: number): Result<ActionResult, Refused> {
  const result = parsed(contents);
  if (!isForeignResult(result)) return invalid('its result.json has a missing, unknown or invalid field');
  if (result.storedAt > now + MOST_AHEAD_MS) return invalid('it is from the future');
  const problem = mismatch(message, result);
  if (problem !== undefined) return invalid(problem);
  return succeed({ ...result, storedAt: Math.min(result.storedAt, now) });
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** The message beside result.json must say the same, because servers keep blobs by what it names. */
function mismatch(message: ReapiResult, result: ActionResult): string | undefined {
  const { app, appLayer, tool, toolLayer, result: resultPath } = OUTPUT_PATHS;
  const parts: readonly [string, string, Layer | undefined][] = [
    [app, appLayer, result.layer],
    [tool, toolLayer, result.tool],
  ];
  const present = parts.flatMap(([folder, blob, layer]) => (layer === undefined ? [] : [{ folder, blob, layer }]));
  const files = new Map<string, Digest>(present.map(({ blob, layer }) => [blob, layer.digest]));
  const folders = new Map<string, Layer>(present.map(({ folder, layer }) => [folder, layer]));
  const named = message.outputFiles.filter(({ path }) => path !== resultPath);
  if (message.outputFiles.length !== files.size + 1) return 'it lists other files than its layers need';
  if (named.some(({ path, digest }) => files.get(path) !== digest)) return 'it lists another layer than result.json';
  const { outputDirectories, outputSymlinks, stdout } = message;
  const isSame = outputDirectories.every(({ path, tree, root }) => {
    const layer = folders.get(path);
    return layer?.tree === tree && (root === undefined || root === layer.root);
  });
  const paths = new Set(outputDirectories.map(({ path }) => path));
  if (!isSame || paths.size !== outputDirectories.length || paths.size !== folders.size)
    return 'it lists other folders than result.json';
  if (outputSymlinks.length > 0) return 'it lists links';
  return stdout === result.log ? undefined : 'it lists another log than result.json';
}
