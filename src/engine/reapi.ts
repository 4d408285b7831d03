// Messages of the Remote Execution API v2 in canonical encoding. Unaware of what the engine puts into them.

import { makeDigest, type Digest } from './digest.js';
import { decodeWith, demand, MessageWriter, type MessageReader } from './protobuf.js';
import type { Directory, DirectoryEntry, FileEntry, SymlinkEntry } from './tree.js';

export interface NameValue {
  readonly name: string;
  readonly value: string;
}

export interface Command {
  readonly arguments: readonly string[];
  readonly environment: readonly NameValue[];
  readonly outputPaths: readonly string[];
  readonly platform?: readonly NameValue[];
  readonly workingDirectory?: string;
}

export interface Action {
  readonly command: Digest;
  readonly inputRoot: Digest;
  readonly timeoutSeconds?: number;
  readonly doNotCache?: boolean;
  readonly salt?: Uint8Array;
  readonly platform?: readonly NameValue[];
}

/** REAPI's ActionResult, named so that it is not mistaken for the engine's. */
export interface ReapiResult {
  readonly outputFiles: readonly ReapiOutputFile[];
  readonly outputDirectories: readonly ReapiOutputDirectory[];
  readonly outputSymlinks: readonly { readonly path: string; readonly target: string }[];
  /** Never negative here. */
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

/** Orders as the UTF-8 bytes do: by code unit, but surrogates stand for characters above all others. */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => compareNames(a.name, b.name);

/** The list itself when it is in order already, which it nearly always is. */
function inOrder<T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] {
  for (let i = 1; i < items.length; i++) {
    if (compare(items[i - 1] as T, items[i] as T) > 0) return [...items].sort(compare);
  }
  return items;
}

let sharedWriter: MessageWriter | undefined;
/** Encoding is synchronous and never nested, so one buffer serves all messages. */
function encode(write: (writer: MessageWriter) => void): Buffer {
  sharedWriter ??= new MessageWriter();
  sharedWriter.reset();
  write(sharedWriter);
  return sharedWriter.finish();
}

function putDigest(writer: MessageWriter, field: number, digest: Digest | undefined): void {
  if (digest === undefined) return;
  const mark = writer.length;
  writer.integer(2, Number(digest.slice(65)));
  writer.string(1, digest.slice(0, 64));
  writer.message(field, mark);
}

function eachFromEnd<T>(items: readonly T[], put: (item: T) => void): void {
  for (let i = items.length - 1; i >= 0; i--) put(items[i] as T);
}

const HASH = /^[0-9a-f]{64}$/;
function getDigest(reader: MessageReader): Digest {
  let hash = '';
  let size = 0;
  while (reader.next()) {
    if (reader.field === 1) hash = reader.string();
    else if (reader.field === 2) size = reader.integer();
    else reader.skip();
  }
  // A digest becomes a path in the store, so nothing else may pass for one.
  demand(HASH.test(hash));
  return makeDigest(hash, size);
}

// --- Directory and Tree ---

function putDirectory(writer: MessageWriter, directory: Directory): void {
  eachFromEnd(inOrder(directory.symlinks, byName), (link) => {
    const mark = writer.length;
    writer.string(2, link.target);
    writer.string(1, link.name);
    writer.message(3, mark);
  });
  eachFromEnd(inOrder(directory.directories, byName), (child) => {
    const mark = writer.length;
    putDigest(writer, 2, child.digest);
    writer.string(1, child.name);
    writer.message(2, mark);
  });
  eachFromEnd(inOrder(directory.files, byName), (file) => {
    const mark = writer.length;
    writer.boolean(4, file.executable);
    putDigest(writer, 2, file.digest);
    writer.string(1, file.name);
    writer.message(1, mark);
  });
}

/** A name that stays inside its directory: trees may come from elsewhere. */
const isName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0');

function getNode(reader: MessageReader): { name: string; digest: Digest; executable: boolean } {
  let name = '';
  let digest: Digest | undefined;
  let executable = false;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) digest = getDigest(reader.message());
    else if (reader.field === 4) executable = reader.boolean();
    else reader.skip();
  }
  demand(isName(name) && digest !== undefined);
  return { name, digest: digest as Digest, executable };
}

function getSymlink(reader: MessageReader): SymlinkEntry {
  let name = '';
  let target = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) target = reader.string();
    else reader.skip();
  }
  demand(isName(name));
  return { name, target };
}

function getDirectory(reader: MessageReader): Directory {
  const files: FileEntry[] = [];
  const directories: DirectoryEntry[] = [];
  const symlinks: SymlinkEntry[] = [];
  const add = <T extends { readonly name: string }>(list: T[], node: T): void => {
    const last = list.at(-1);
    demand(last === undefined || compareNames(last.name, node.name) < 0);
    list.push(node);
  };
  while (reader.next()) {
    if (reader.field === 1) add(files, getNode(reader.message()));
    else if (reader.field === 2) {
      const { name, digest } = getNode(reader.message());
      add(directories, { name, digest });
    } else if (reader.field === 3) add(symlinks, getSymlink(reader.message()));
    else reader.skip();
  }
  return { files, directories, symlinks };
}

export const encodeDirectory = (directory: Directory): Buffer => encode((writer) => putDirectory(writer, directory));

/** Undefined also for entries that are out of order or whose name is no name. */
export const decodeDirectory = (bytes: Uint8Array): Directory | undefined => decodeWith(bytes, getDirectory);

export const encodeTree = (root: Directory, children: readonly Directory[]): Buffer =>
  encode((writer) => {
    eachFromEnd(children, (child) => {
      const mark = writer.length;
      putDirectory(writer, child);
      writer.message(2, mark);
    });
    const mark = writer.length;
    putDirectory(writer, root);
    writer.message(1, mark);
  });

/** The directories are left encoded, because their digests are those of these bytes. */
export const decodeTree = (
  bytes: Uint8Array,
): { readonly root: Buffer; readonly children: readonly Buffer[] } | undefined =>
  decodeWith(bytes, (reader) => {
    let root: Buffer | undefined;
    const children: Buffer[] = [];
    while (reader.next()) {
      if (reader.field === 1) root = reader.bytes();
      else if (reader.field === 2) children.push(reader.bytes());
      else reader.skip();
    }
    demand(root !== undefined);
    return { root: root as Buffer, children };
  });

// --- Command and Action ---

const byNameAndValue = (a: NameValue, b: NameValue): number => byName(a, b) || compareNames(a.value, b.value);

function putNameValues(writer: MessageWriter, field: number, items: readonly NameValue[]): void {
  eachFromEnd(inOrder(items, byNameAndValue), ({ name, value }) => {
    const mark = writer.length;
    writer.string(2, value);
    writer.string(1, name);
    writer.message(field, mark);
  });
}

function putPlatform(writer: MessageWriter, field: number, platform: readonly NameValue[] | undefined): void {
  if (platform === undefined) return;
  const mark = writer.length;
  putNameValues(writer, 1, platform);
  writer.message(field, mark);
}

function getNameValue(reader: MessageReader): NameValue {
  let name = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) value = reader.string();
    else reader.skip();
  }
  return { name, value };
}

function getPlatform(reader: MessageReader): NameValue[] {
  const properties: NameValue[] = [];
  while (reader.next()) {
    if (reader.field === 1) properties.push(getNameValue(reader.message()));
    else reader.skip();
  }
  return properties;
}

export const encodeCommand = (command: Command): Buffer =>
  encode((writer) => {
    eachFromEnd(inOrder(command.outputPaths, compareNames), (path) => writer.string(7, path, true));
    writer.string(6, command.workingDirectory ?? '');
    putPlatform(writer, 5, command.platform);
    putNameValues(writer, 2, command.environment);
    eachFromEnd(command.arguments, (argument) => writer.string(1, argument, true));
  });

export const decodeCommand = (bytes: Uint8Array): Command | undefined =>
  decodeWith(bytes, (reader) => {
    const words: string[] = [];
    const environment: NameValue[] = [];
    const outputPaths: string[] = [];
    let platform: readonly NameValue[] | undefined;
    let workingDirectory = '';
    while (reader.next()) {
      if (reader.field === 1) words.push(reader.string());
      else if (reader.field === 2) environment.push(getNameValue(reader.message()));
      else if (reader.field === 5) platform = getPlatform(reader.message());
      else if (reader.field === 6) workingDirectory = reader.string();
      else if (reader.field === 7) outputPaths.push(reader.string());
      else reader.skip();
    }
    return {
      arguments: words,
      environment,
      outputPaths,
      ...(platform && { platform }),
      ...(workingDirectory !== '' && { workingDirectory }),
    };
  });

export const encodeAction = (action: Action): Buffer =>
  encode((writer) => {
    putPlatform(writer, 10, action.platform);
    writer.bytes(9, action.salt);
    writer.boolean(7, action.doNotCache);
    if (action.timeoutSeconds !== undefined) {
      const mark = writer.length;
      writer.integer(1, action.timeoutSeconds);
      writer.message(6, mark);
    }
    putDigest(writer, 2, action.inputRoot);
    putDigest(writer, 1, action.command);
  });

function getDuration(reader: MessageReader): number {
  let seconds = 0;
  while (reader.next()) {
    if (reader.field === 1) seconds = reader.integer();
    else reader.skip();
  }
  return seconds;
}

export const decodeAction = (bytes: Uint8Array): Action | undefined =>
  decodeWith(bytes, (reader) => {
    let command: Digest | undefined;
    let inputRoot: Digest | undefined;
    let timeoutSeconds: number | undefined;
    let doNotCache = false;
    let salt: Uint8Array | undefined;
    let platform: readonly NameValue[] | undefined;
    while (reader.next()) {
      if (reader.field === 1) command = getDigest(reader.message());
      else if (reader.field === 2) inputRoot = getDigest(reader.message());
      else if (reader.field === 6) timeoutSeconds = getDuration(reader.message());
      else if (reader.field === 7) doNotCache = reader.boolean();
      else if (reader.field === 9) salt = reader.bytes();
      else if (reader.field === 10) platform = getPlatform(reader.message());
      else reader.skip();
    }
    demand(command !== undefined && inputRoot !== undefined);
    return {
      command: command as Digest,
      inputRoot: inputRoot as Digest,
      ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      ...(doNotCache && { doNotCache }),
      ...(salt?.length && { salt }),
      ...(platform && { platform }),
    };
  });

// --- ActionResult ---

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
  const { name, value } = getNameValue(reader);
  return { path: name, target: value };
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
