// The message ActionResult of the Remote Execution API v2, in canonical encoding.

import type { Digest } from '../files/digest.js';
import { decodeWith, demand, type MessageReader } from './protobuf.js';
import { compareNames, eachFromEnd, encode, getDigest, inOrder, putDigest } from './reapi-parts.js';

/** REAPI's ActionResult. The engine's ActionResult is a different type. */
export interface ReapiResult {
  readonly outputFiles: readonly ReapiOutputFile[];
  readonly outputDirectories: readonly ReapiOutputDirectory[];
  readonly outputSymlinks: readonly { readonly path: string; readonly target: string }[];
  /** Never negative. */
  readonly exitCode: number;
  readonly stdoutRaw?: Uint8Array;
  readonly stdout?: Digest;
  readonly stderrRaw?: Uint8Array;
  readonly stderr?: Digest;
}
export interface ReapiOutputFile {
  readonly path: string;
  readonly digest: Digest;
  readonly executable: boolean;
  readonly contents?: Uint8Array;
}
export interface ReapiOutputDirectory {
  readonly path: string;
  readonly tree: Digest;
  readonly root?: Digest;
  readonly topologicallySorted?: boolean;
}

const byPath = (a: { readonly path: string }, b: { readonly path: string }): number => compareNames(a.path, b.path);

export const encodeActionResult = (result: ReapiResult): Buffer =>
  encode((writer) => {
    eachFromEnd(inOrder(result.outputSymlinks, byPath), (link) => {
      const mark = writer.length;
      writer.string(2, link.target);
      writer.string(1, link.path);
      writer.message(12, mark);
    });
    putDigest(writer, 8, result.stderr);
    writer.bytes(7, result.stderrRaw);
    putDigest(writer, 6, result.stdout);
    writer.bytes(5, result.stdoutRaw);
    writer.integer(4, result.exitCode);
    eachFromEnd(inOrder(result.outputDirectories, byPath), (directory) => {
      const mark = writer.length;
      putDigest(writer, 5, directory.root);
      writer.boolean(4, directory.topologicallySorted);
      putDigest(writer, 3, directory.tree);
      writer.string(1, directory.path);
      writer.message(3, mark);
    });
    eachFromEnd(inOrder(result.outputFiles, byPath), (file) => {
      const mark = writer.length;
      writer.bytes(5, file.contents);
      writer.boolean(4, file.executable);
      putDigest(writer, 2, file.digest);
      writer.string(1, file.path);
      writer.message(2, mark);
    });
  });

function getOutputFile(reader: MessageReader): ReapiOutputFile {
  let path = '';
  let digest: Digest | undefined;
  let executable = false;
  let contents: Uint8Array | undefined;
  while (reader.next()) {
    if (reader.field === 1) path = reader.string();
    else if (reader.field === 2) digest = getDigest(reader.message());
    else if (reader.field === 4) executable = reader.boolean();
    else if (reader.field === 5) contents = reader.bytes();
    else reader.skip();
  }
  demand(digest !== undefined);
  return { path, digest: digest as Digest, executable, ...(contents?.length && { contents }) };
}

function getOutputDirectory(reader: MessageReader): ReapiOutputDirectory {
  let path = '';
  let tree: Digest | undefined;
  let root: Digest | undefined;
  let topologicallySorted = false;
  while (reader.next()) {
    if (reader.field === 1) path = reader.string();
    else if (reader.field === 3) tree = getDigest(reader.message());
    else if (reader.field === 4) topologicallySorted = reader.boolean();
    else if (reader.field === 5) root = getDigest(reader.message());
    else reader.skip();
  }
  demand(tree !== undefined);
  return { path, tree: tree as Digest, ...(root && { root }), ...(topologicallySorted && { topologicallySorted }) };
}

function getOutputSymlink(reader: MessageReader): { path: string; target: string } {
  let path = '';
  let target = '';
  while (reader.next()) {
    if (reader.field === 1) path = reader.string();
    else if (reader.field === 2) target = reader.string();
    else reader.skip();
  }
  return { path, target };
}

export const decodeActionResult = (bytes: Uint8Array): ReapiResult | undefined =>
  decodeWith(bytes, (reader) => {
    const outputFiles: ReapiOutputFile[] = [];
    const outputDirectories: ReapiOutputDirectory[] = [];
    const outputSymlinks: { path: string; target: string }[] = [];
    const raw: { stdoutRaw?: Uint8Array; stdout?: Digest; stderrRaw?: Uint8Array; stderr?: Digest } = {};
    let exitCode = 0;
    while (reader.next()) {
      if (reader.field === 2) outputFiles.push(getOutputFile(reader.message()));
      else if (reader.field === 3) outputDirectories.push(getOutputDirectory(reader.message()));
      else if (reader.field === 4) exitCode = reader.integer();
      else if (reader.field === 5) raw.stdoutRaw = reader.bytes();
      else if (reader.field === 6) raw.stdout = getDigest(reader.message());
      else if (reader.field === 7) raw.stderrRaw = reader.bytes();
      else if (reader.field === 8) raw.stderr = getDigest(reader.message());
      else if (reader.field === 12) outputSymlinks.push(getOutputSymlink(reader.message()));
      else reader.skip();
    }
    return { outputFiles, outputDirectories, outputSymlinks, exitCode, ...raw };
  });
