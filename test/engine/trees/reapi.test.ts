import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, makeDigest, type Digest } from '../../../src/engine/files/digest.js';
import { decodeWith } from '../../../src/engine/trees/protobuf.js';
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

  describe('fields that it does not know', () => {
    /** A field of wire type 2. */
    const field = (number: number, ...parts: readonly (Uint8Array | string)[]): Buffer => {
      const body = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)));
      const length = body.length < 128 ? [body.length] : [(body.length % 128) + 128, body.length >> 7];
      return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), body]);
    };
    /** Field 15 in each of the wire types: a varint, eight bytes, bytes, four bytes. */
    const UNKNOWN = Buffer.concat([
      Buffer.from([0x78, 0x96, 0x01]),
      Buffer.from([0x79, ...Array<number>(8).fill(1)]),
      field(15, 'later'),
      Buffer.from([0x7d, 1, 2, 3, 4]),
    ]);
    const hash = 'ab'.repeat(32);
    const raw = field(2, field(1, hash), UNKNOWN);
    const mode = (value: number): Buffer => field(3, UNKNOWN, Buffer.from([0x08, value]), UNKNOWN);

    it('are skipped in a directory, at every level', () => {
      const bytes = Buffer.concat([
        UNKNOWN,
        field(1, field(1, 'file'), raw, UNKNOWN, field(6, UNKNOWN, mode(0x40))),
        field(2, field(1, 'folder'), raw, UNKNOWN),
        field(3, field(1, 'link'), field(2, 'target'), UNKNOWN),
        field(5, UNKNOWN, mode(0x38)),
      ]);
      expect(decodeDirectory(bytes)).to.deep.equal({
        files: [{ name: 'file', digest: makeDigest(hash, 0), executable: true, mode: 0o100 }],
        directories: [{ name: 'folder', digest: makeDigest(hash, 0) }],
        symlinks: [{ name: 'link', target: 'target' }],
        mode: 0o070,
      });
    });

    it('are skipped in trees, commands, actions and results', () => {
      expect(decodeTree(Buffer.concat([UNKNOWN, field(1)]))).to.deep.equal({ root: Buffer.alloc(0), children: [] });
      for (const command of commands) {
        const bytes = encodeCommand(command);
        expect(decodeCommand(Buffer.concat([UNKNOWN, bytes, UNKNOWN]))).to.deep.equal(decodeCommand(bytes));
      }
      for (const [encoded, decode] of [
        ...actions.map((action) => [encodeAction(action), decodeAction] as const),
        ...results.map((result) => [encodeActionResult(result), decodeActionResult] as const),
      ]) {
        expect(decode(Buffer.concat([UNKNOWN, encoded, UNKNOWN]))).to.deep.equal(decode(encoded));
      }
      const platform = field(5, UNKNOWN, field(1, field(1, 'os'), field(2, 'linux'), UNKNOWN));
      expect(decodeCommand(platform)?.platform).to.deep.equal([{ name: 'os', value: 'linux' }]);
      const timed = Buffer.concat([field(1, field(1, hash)), raw, field(6, UNKNOWN, Buffer.from([0x08, 9]))]);
      expect(decodeAction(timed)?.timeoutSeconds).to.equal(9);
    });

    it('are no excuse for a message that is cut off, has field 0 or a wire type that is none', () => {
      for (const bytes of [[0x79, 1, 2], [0x7d, 1], [0x7a, 5, 1], [0x78], [0x7b], [0x00, 1], [0x05]]) {
        expect(decodeCommand(Buffer.from(bytes)), bytes.join()).to.equal(undefined);
      }
    });
  });

  it('orders variables of one name by their values', () => {
    const command = { arguments: [], outputPaths: [] };
    const environment = ['b', 'a', 'c'].map((value) => ({ name: 'PATH', value }));
    const encoded = encodeCommand({ ...command, environment });
    expect(encoded).to.deep.equal(encodeCommand({ ...command, environment: environment.toReversed() }));
    expect(decodeCommand(encoded)?.environment.map(({ value }) => value)).to.deep.equal(['a', 'b', 'c']);
  });

  it('encodes the platform of a command, and leaves out an empty salt', () => {
    const platform = [{ name: 'OSFamily', value: 'linux' }];
    const command = { arguments: ['true'], environment: [], outputPaths: [], platform };
    expect(decodeCommand(encodeCommand(command))).to.deep.equal(command);
    const action = { command: digestOf('c'), inputRoot: digestOf('r') };
    expect(encodeAction({ ...action, salt: new Uint8Array() })).to.deep.equal(encodeAction(action));
  });

  it('keeps the root of an output directory, and whether its tree is sorted', () => {
    const directory = { path: 'out/app', tree: digestOf('t'), root: digestOf('r'), topologicallySorted: true };
    const result = { outputFiles: [], outputDirectories: [directory], outputSymlinks: [], exitCode: 0 };
    expect(decodeActionResult(encodeActionResult(result))?.outputDirectories).to.deep.equal([directory]);
  });

  it('does not take an error of its caller for garbage', () => {
    const broken = (): never => {
      throw new TypeError('a bug');
    };
    expect(() => decodeWith(Buffer.alloc(0), broken)).to.throw(TypeError, 'a bug');
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
