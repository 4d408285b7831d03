// The messages Directory, Tree, Command and Action of the Remote Execution API v2, in canonical encoding.

import type { Digest } from '../files/digest.js';
import { decodeWith, demand, type MessageReader, type MessageWriter } from './protobuf.js';
import { byName, compareNames, eachFromEnd, encode, getDigest, inOrder, putDigest } from './reapi-parts.js';
import { type Directory, type DirectoryEntry, type FileEntry, type SymlinkEntry } from './tree.js';
import { permissionsOf } from '../files/modes.js';

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

// --- Directory and Tree ---

/** Writes a NodeProperties message that contains only a unix_mode. */
function putMode(writer: MessageWriter, field: number, mode: number | undefined): void {
  if (mode === undefined) return;
  const mark = writer.length;
  // The UInt32Value of mode 0000 is an empty message, because zero is left out.
  writer.integer(1, mode);
  writer.message(3, mark);
  writer.message(field, mark);
}

function putDirectory(writer: MessageWriter, directory: Directory): void {
  putMode(writer, 5, directory.mode);
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
    putMode(writer, 6, file.mode);
    writer.boolean(4, file.executable);
    putDigest(writer, 2, file.digest);
    writer.string(1, file.name);
    writer.message(1, mark);
  });
}

/** Whether a name stays inside its directory. Trees can come from untrusted sources. */
const isName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0');

/** The permission bits of a NodeProperties message. Ignores all its other content. */
function getMode(properties: MessageReader): number | undefined {
  let mode: number | undefined;
  while (properties.next()) {
    if (properties.field !== 3) {
      properties.skip();
      continue;
    }
    mode = 0;
    const value = properties.message();
    while (value.next()) {
      if (value.field === 1) mode = value.integer() & 0o777;
      else value.skip();
    }
  }
  return mode;
}

function getNode(reader: MessageReader): FileEntry {
  let name = '';
  let digest: Digest | undefined;
  let executable = false;
  let mode: number | undefined;
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) digest = getDigest(reader.message());
    else if (reader.field === 4) executable = reader.boolean();
    else if (reader.field === 6) mode = getMode(reader.message());
    else reader.skip();
  }
  demand(isName(name) && digest !== undefined);
  return { name, digest: digest as Digest, ...(mode === undefined ? { executable } : permissionsOf(mode)) };
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

/** Far more than any folder has that pyflow stores. Bounds the memory that a message from outside can take. */
const MOST_ENTRIES = 500_000;

function getDirectory(reader: MessageReader): Directory {
  const files: FileEntry[] = [];
  const directories: DirectoryEntry[] = [];
  const symlinks: SymlinkEntry[] = [];
  let mode: number | undefined;
  const add = <T extends { readonly name: string }>(list: T[], node: T): void => {
    const last = list.at(-1);
    demand(last === undefined || compareNames(last.name, node.name) < 0);
    demand(list.length < MOST_ENTRIES);
    list.push(node);
  };
  while (reader.next()) {
    if (reader.field === 1) add(files, getNode(reader.message()));
    else if (reader.field === 2) {
      const { name, digest } = getNode(reader.message());
      add(directories, { name, digest });
    } else if (reader.field === 3) add(symlinks, getSymlink(reader.message()));
    else if (reader.field === 5) mode = getMode(reader.message());
    else reader.skip();
  }
  return { files, directories, symlinks, ...(mode === undefined ? {} : { mode }) };
}

export const encodeDirectory = (directory: Directory): Buffer => encode((writer) => putDirectory(writer, directory));

/** Undefined if the bytes are malformed, entries are out of order, or a name is invalid. */
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

/** Returns the directories still encoded, because their digests are those of the encoded bytes. */
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
      demand(children.length <= MOST_ENTRIES);
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
