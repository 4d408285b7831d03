// The message ActionResult of the Remote Execution API v2, in canonical encoding.

import type { Digest } from '../files/digest.js';
import { decodeWith, demand, type MessageReader } from './protobuf.js';
import { bytes, list, message, messageType, number, text, type MessageOf } from './message-type.js';
import { compareNames, eachFromEnd, encode, getDigest, inOrder, putDigest } from './reapi-parts.js';

/** A message of any type, with the name of the type. */
export const Any = messageType('google.protobuf.Any', { typeUrl: [1, text(1024)], value: [2, bytes] });

const moment = message(messageType('google.protobuf.Timestamp', { seconds: [1, number], nanos: [2, number] }));

/** How a result came about. Not part of what it says: servers change it. */
export const ExecutedActionMetadata = messageType('build.bazel.remote.execution.v2.ExecutedActionMetadata', {
  worker: [1, text(4096)],
  queuedTimestamp: [2, moment],
  workerStartTimestamp: [3, moment],
  workerCompletedTimestamp: [4, moment],
  inputFetchStartTimestamp: [5, moment],
  inputFetchCompletedTimestamp: [6, moment],
  executionStartTimestamp: [7, moment],
  executionCompletedTimestamp: [8, moment],
  outputUploadStartTimestamp: [9, moment],
  outputUploadCompletedTimestamp: [10, moment],
  auxiliaryMetadata: [11, list(message(Any), 100)],
});
export type ExecutionMetadata = MessageOf<typeof ExecutedActionMetadata>;

/** No result of a node has more outputs of one type. */
const MOST_OUTPUTS = 10_000;

/** REAPI's ActionResult. The engine's ActionResult is a different type. */
export interface ReapiResult {
  readonly outputFiles: readonly ReapiOutputFile[];
  readonly outputDirectories: readonly ReapiOutputDirectory[];
  readonly outputSymlinks: readonly { readonly path: string; readonly target: string }[];
  /** Negative only in a result from elsewhere. */
  readonly exitCode: number;
  readonly stdoutRaw?: Uint8Array;
  readonly stdout?: Digest;
  readonly stderrRaw?: Uint8Array;
  readonly stderr?: Digest;
  /** The store's own results have none. */
  readonly metadata?: Partial<ExecutionMetadata>;
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
    if (result.metadata !== undefined) ExecutedActionMetadata.put(writer, 9, result.metadata);
    putDigest(writer, 8, result.stderr);
    writer.bytes(7, result.stderrRaw);
    putDigest(writer, 6, result.stdout);
    writer.bytes(5, result.stdoutRaw);
    writer.signed(4, result.exitCode);
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

/** What pyflow doesn't use of a server's result, such as symlinks in the fields of older servers, is skipped. */
export const decodeActionResult = (encoded: Uint8Array): ReapiResult | undefined =>
  decodeWith(encoded, (reader) => {
    const outputFiles: ReapiOutputFile[] = [];
    const outputDirectories: ReapiOutputDirectory[] = [];
    const outputSymlinks: { path: string; target: string }[] = [];
    const rest: { -readonly [name in keyof ReapiResult]?: ReapiResult[name] } = {};
    let exitCode = 0;
    const add = <T>(items: T[], item: T): void => {
      demand(items.length < MOST_OUTPUTS);
      items.push(item);
    };
    while (reader.next()) {
      if (reader.field === 2) add(outputFiles, getOutputFile(reader.message()));
      else if (reader.field === 3) add(outputDirectories, getOutputDirectory(reader.message()));
      else if (reader.field === 4) exitCode = reader.signed();
      else if (reader.field === 5) rest.stdoutRaw = reader.bytes();
      else if (reader.field === 6) rest.stdout = getDigest(reader.message());
      else if (reader.field === 7) rest.stderrRaw = reader.bytes();
      else if (reader.field === 8) rest.stderr = getDigest(reader.message());
      else if (reader.field === 9) rest.metadata = ExecutedActionMetadata.read(reader.message());
      else if (reader.field === 12) add(outputSymlinks, getOutputSymlink(reader.message()));
      else reader.skip();
    }
    return { outputFiles, outputDirectories, outputSymlinks, exitCode, ...rest };
  });
