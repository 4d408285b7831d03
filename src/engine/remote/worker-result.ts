// The result of an executor in the form that pyflow itself would upload. Workers list the folders of a tree in an order of their
// own, so a tree has another digest than in result.json.

import { digestOf, sizeOf, type Digest } from '../files/digest.js';
import { storeTree, readTree } from '../trees/layers.js';
import { MOST_TREE_BYTES } from '../trees/foreign-tree.js';
import { OUTPUT_PATHS } from '../trees/output-paths.js';
import type { ReapiResult } from '../trees/reapi-result.js';
import type { DirectoryTable } from '../trees/tree.js';

/**
 * The trees of the result. Other folders and huge trees are not fetched, which makes the result invalid. Nor are any of more than an
 * action can have, because a server could fill the memory with them.
 */
export function treesToRead({ outputDirectories }: ReapiResult): readonly Digest[] {
  if (outputDirectories.length > FOLDERS.size) return [];
  return outputDirectories
    .filter(({ path, tree }) => FOLDERS.has(path) && sizeOf(tree) <= MOST_TREE_BYTES)
    .map(({ tree }) => tree);
}

/** Besides the trees, result.json, if it is not inline. It must fit a batch. */
export function blobsToRead(result: ReapiResult, batchBytes: number): readonly Digest[] {
  const file = result.outputFiles.find(({ path }) => path === OUTPUT_PATHS.result);
  const isWanted = file !== undefined && file.contents === undefined && sizeOf(file.digest) <= batchBytes;
  return isWanted ? [...treesToRead(result), file.digest] : treesToRead(result);
}

const FOLDERS: ReadonlySet<string> = new Set([OUTPUT_PATHS.app, OUTPUT_PATHS.tool]);

export interface OwnForm {
  readonly message: ReapiResult;
  /** Trees in pyflow's order, and the log if it was inline. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** Undefined if a tree is missing or damaged. `given`: blobs that match their digests. */
export function inOwnForm(message: ReapiResult, given: ReadonlyMap<Digest, Buffer>): OwnForm | undefined {
  const blobs = new Map<Digest, Buffer>();
  const write = (digest: Digest, bytes: Uint8Array): void => void blobs.set(digest, Buffer.from(bytes));
  const outputDirectories: ReapiResult['outputDirectories'][number][] = [];
  for (const { path, tree } of message.outputDirectories) {
    const bytes = given.get(tree);
    const table: DirectoryTable = new Map();
    const root = bytes && readTree(bytes, table);
    if (root === undefined) return undefined;
    outputDirectories.push({ path, tree: storeTree({ write }, table, root), root });
  }
  const { stdout: given_, stdoutRaw, stderr: _, stderrRaw: __, metadata: ___, ...rest } = message;
  const inline = stdoutRaw !== undefined && stdoutRaw.length > 0 ? Buffer.from(stdoutRaw) : undefined;
  if (inline !== undefined) blobs.set(digestOf(inline), inline);
  const stdout = inline === undefined ? given_ : digestOf(inline);
  const isEmpty = stdout === undefined || sizeOf(stdout) === 0;
  return { message: { ...rest, outputDirectories, ...(isEmpty ? {} : { stdout }) }, blobs };
}
