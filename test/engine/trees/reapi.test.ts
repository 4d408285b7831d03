import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, makeDigest, type Digest } from '../../../src/engine/files/digest.js';
import { compareNames } from '../../../src/engine/trees/reapi-parts.js';
import { decodeActionResult, encodeActionResult, type ReapiResult } from '../../../src/engine/trees/reapi-result.js';
import {
  decodeAction,
  decodeCommand,
  decodeDirectory,
  decodeTree,
  encodeAction,
  encodeCommand,
  encodeDirectory,
  encodeTree,
  type Action,
  type Command,
  type NameValue,
} from '../../../src/engine/trees/reapi.js';
import type { Directory } from '../../../src/engine/trees/tree.js';

interface RawDigest {
  readonly hash: string;
  readonly size: number;
}
interface Vector {
  readonly encoded: string;
  readonly digest: RawDigest;
}
interface Vectors {
  readonly directories: readonly (Vector & {
    readonly files: readonly { name: string; digest: RawDigest; executable: boolean }[];
    readonly directories: readonly { name: string; digest: RawDigest }[];
    readonly symlinks: readonly { name: string; target: string }[];
  })[];
  readonly actions: readonly (Vector & {
    readonly command: Vector & {
      readonly arguments: readonly string[];
      readonly environment_variables: readonly NameValue[];
      readonly output_paths: readonly string[];
      readonly working_directory: string;
    };
    readonly input_root_digest: RawDigest;
    readonly timeout_seconds: number | null;
    readonly do_not_cache: boolean;
    readonly salt_hex: string;
    readonly platform: readonly NameValue[] | null;
  })[];
  readonly action_results: readonly (Vector & {
    readonly output_files: readonly { path: string; digest: RawDigest; executable: boolean; contents_hex: string }[];
    readonly output_directories: readonly {
      path: string;
      tree_digest: RawDigest;
      is_topologically_sorted: boolean;
    }[];
    readonly output_symlinks: readonly { path: string; target: string }[];
    readonly exit_code: number;
    readonly stdout_raw_hex: string;
    readonly stdout_digest: RawDigest | null;
  })[];
}

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/reapi.json', import.meta.url), 'utf8')) as Vectors;
const digest = (raw: RawDigest): Digest => makeDigest(raw.hash, raw.size);
const unhex = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

function expectVector(bytes: Buffer, vector: Vector): void {
  expect(bytes.toString('hex')).to.equal(vector.encoded);
  expect(digestOf(bytes)).to.equal(digest(vector.digest));
}

const directories: readonly Directory[] = vectors.directories.map((vector) => ({
  files: vector.files.map((file) => ({ ...file, digest: digest(file.digest) })),
  directories: vector.directories.map((child) => ({ ...child, digest: digest(child.digest) })),
  symlinks: vector.symlinks,
}));

const commands: readonly Command[] = vectors.actions.map(({ command }) => ({
  arguments: command.arguments,
  environment: command.environment_variables,
  outputPaths: command.output_paths,
  ...(command.working_directory !== '' && { workingDirectory: command.working_directory }),
}));

const actions: readonly Action[] = vectors.actions.map((vector) => ({
  command: digest(vector.command.digest),
  inputRoot: digest(vector.input_root_digest),
  ...(vector.timeout_seconds !== null && { timeoutSeconds: vector.timeout_seconds }),
  ...(vector.do_not_cache && { doNotCache: true }),
  ...(vector.salt_hex !== '' && { salt: unhex(vector.salt_hex) }),
  ...(vector.platform && { platform: vector.platform }),
}));

const results: readonly ReapiResult[] = vectors.action_results.map((vector) => ({
  outputFiles: vector.output_files.map((file) => ({
    path: file.path,
    digest: digest(file.digest),
    executable: file.executable,
    ...(file.contents_hex !== '' && { contents: unhex(file.contents_hex) }),
  })),
  outputDirectories: vector.output_directories.map((directory) => ({
    path: directory.path,
    tree: digest(directory.tree_digest),
    ...(directory.is_topologically_sorted && { topologicallySorted: true }),
  })),
  outputSymlinks: vector.output_symlinks,
  exitCode: vector.exit_code,
  ...(vector.stdout_raw_hex !== '' && { stdoutRaw: unhex(vector.stdout_raw_hex) }),
  ...(vector.stdout_digest && { stdout: digest(vector.stdout_digest) }),
}));

const shuffled = <T>(items: readonly T[]): T[] => [...items].reverse();
/** Strings of fast-check with lone surrogates can't be encoded as UTF-8, so they can't be names. */
const text = fc.string({ unit: 'grapheme' });
const name = text.filter((value) => !/[/\0]/.test(value) && !['', '.', '..'].includes(value));
const anyDigest = fc
  .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.maxSafeNat())
  .map(([hash, size]) => makeDigest(Buffer.from(hash).toString('hex'), size));
const sorted = <T extends { readonly name: string }>(items: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc
    .uniqueArray(items, { selector: (item) => item.name })
    .map((list) => list.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))));
const anyDirectory: fc.Arbitrary<Directory> = fc.record({
  files: sorted(fc.record({ name, digest: anyDigest, executable: fc.boolean() })),
  directories: sorted(fc.record({ name, digest: anyDigest })),
  symlinks: sorted(fc.record({ name, target: text })),
});

describe('engine/trees/reapi', () => {
  it('encodes every directory of the reference runtime byte for byte', () => {
    expect(directories).to.have.length(66);
    for (const [i, vector] of vectors.directories.entries()) expectVector(encodeDirectory(directories[i]!), vector);
  });

  it('encodes every command and action of the reference runtime byte for byte', () => {
    expect(actions).to.have.length(12);
    for (const [i, vector] of vectors.actions.entries()) {
      expectVector(encodeCommand(commands[i]!), vector.command);
      expectVector(encodeAction(actions[i]!), vector);
    }
  });

  it('encodes every action result of the reference runtime byte for byte', () => {
    expect(results).to.have.length(8);
    for (const [i, vector] of vectors.action_results.entries()) expectVector(encodeActionResult(results[i]!), vector);
  });

  it('gives the same bytes for entries in any order', () => {
    for (const [i, vector] of vectors.directories.entries()) {
      const { files, directories: children, symlinks } = directories[i]!;
      const turned = { files: shuffled(files), directories: shuffled(children), symlinks: shuffled(symlinks) };
      expectVector(encodeDirectory(turned), vector);
    }
    for (const [i, vector] of vectors.actions.entries()) {
      const { environment, outputPaths } = commands[i]!;
      const turned = {
        ...commands[i]!,
        environment: shuffled(environment),
        outputPaths: shuffled(outputPaths),
      };
      expectVector(encodeCommand(turned), vector.command);
    }
  });

  it('decodes what it encoded', () => {
    for (const directory of directories) expect(decodeDirectory(encodeDirectory(directory))).to.deep.equal(directory);
    for (const command of commands) {
      const environment = [...command.environment].sort((a, b) => compareNames(a.name, b.name));
      expect(decodeCommand(encodeCommand(command))).to.deep.equal({ ...command, environment });
    }
    for (const action of actions) {
      const decoded = decodeAction(encodeAction(action))!;
      expect({ ...decoded, salt: decoded.salt && Buffer.from(decoded.salt).toString('hex') }).to.deep.equal({
        ...action,
        salt: action.salt && Buffer.from(action.salt).toString('hex'),
      });
    }
    for (const result of results) {
      const again = encodeActionResult(decodeActionResult(encodeActionResult(result))!);
      expect(again.equals(encodeActionResult(result))).to.equal(true);
    }
  });

  it('decodes any directory that it encoded', () => {
    fc.assert(
      fc.property(anyDirectory, (directory) => {
        expect(decodeDirectory(encodeDirectory(directory))).to.deep.equal(directory);
      }),
    );
  });

  it('returns the directories of a tree as the bytes that their digests are made from', () => {
    fc.assert(
      fc.property(anyDirectory, fc.array(anyDirectory), (root, children) => {
        const tree = decodeTree(encodeTree(root, children))!;
        expect(tree.root.equals(encodeDirectory(root))).to.equal(true);
        expect(tree.children.map((child) => child.toString('hex'))).to.deep.equal(
          children.map((child) => encodeDirectory(child).toString('hex')),
        );
      }),
    );
  });

  it('returns undefined or a value for garbage, and never throws', () => {
    const decoders = [decodeDirectory, decodeTree, decodeCommand, decodeAction, decodeActionResult];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const decode of decoders) decode(bytes);
      }),
      { numRuns: 2000 },
    );
    const samples = [...vectors.directories, ...vectors.actions, ...vectors.action_results].map((vector) =>
      Buffer.from(vector.encoded, 'hex'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat(7), fc.nat(), (sample, at, bit, length) => {
        const bytes = Buffer.from(sample);
        if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << bit;
        for (const decode of decoders) {
          decode(bytes);
          decode(bytes.subarray(0, length % (bytes.length + 1)));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('rejects names that leave their directory, names out of order and invalid hashes', () => {
    const file = { digest: digestOf('x'), executable: false };
    for (const bad of ['..', '.', '', 'a/b', '/etc', 'a\0b']) {
      const directory = { files: [{ ...file, name: bad }], directories: [], symlinks: [] };
      expect(decodeDirectory(encodeDirectory(directory)), bad).to.equal(undefined);
    }
    const twice = { files: [file, file].map((entry) => ({ ...entry, name: 'a' })), directories: [], symlinks: [] };
    expect(decodeDirectory(encodeDirectory(twice))).to.equal(undefined);
    const forged = { ...file, name: 'a', digest: makeDigest('../'.repeat(21) + 'x', 1) };
    expect(decodeDirectory(encodeDirectory({ files: [forged], directories: [], symlinks: [] }))).to.equal(undefined);
  });

  it('encodes messages larger than its buffer', () => {
    const files = Array.from({ length: 5000 }, (_, i) => ({
      name: `file-${String(i).padStart(5, '0')}`,
      digest: digestOf(String(i)),
      executable: i % 2 === 0,
    }));
    const directory = { files, directories: [], symlinks: [] };
    expect(decodeDirectory(encodeDirectory(directory))).to.deep.equal(directory);
  });

  it('orders names by their UTF-8 bytes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareNames(a, b))).to.equal(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
    expect(compareNames('\u{1F40D}', '\uFF5E')).to.be.greaterThan(0);
  });
});
