import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { canonicalJSON } from '../../../src/manifests/json-schema.js';
import type { RunReport } from '../../../src/engine/events.js';
import { digestOf, makeDigest, sha256Hex, sizeOf } from '../../../src/engine/files/digest.js';
import type { ActionResult } from '../../../src/engine/store/store.js';
import { layerText } from '../../../src/engine/trees/layers.js';
import { encodeDirectory, encodeTree } from '../../../src/engine/trees/reapi.js';
import { decodeActionResult, encodeActionResult, type ReapiResult } from '../../../src/engine/trees/reapi-result.js';
import type { Directory, Layer } from '../../../src/engine/trees/tree.js';
import type { MemoryReapi } from '../../support/memory-reapi.js';
import type { RemoteRequest } from '../../../src/engine/request.js';
import { noticesOf, ReapiScene } from '../../support/reapi-scene.js';
import { outputs, schemaOf, TREE, type Toy } from '../../support/toy-kinds.js';
import { outcomesOf, type Workspace } from '../../support/workspace.js';

/** Writes a file and a folder with its name, and says it. */
const maker: Toy = {
  manifest: {
    config: schemaOf({ name: { type: 'string' } }, 'name'),
    outputs: schemaOf({ said: { type: 'string' }, tree: TREE }, 'said'),
    writes: ['${config.name}/**'],
  },
  run: async ({ config: { name } }, { appDir }) => {
    const { mkdir, writeFile } = await import('node:fs/promises');
    await mkdir(`${appDir}/${String(name)}/sub`, { recursive: true });
    await writeFile(`${appDir}/${String(name)}/file`, `file of ${String(name)}`);
    await writeFile(`${appDir}/${String(name)}/sub/other`, `other of ${String(name)}`);
    return outputs({ said: String(name) });
  },
};

/** An honest answer, taken apart. */
interface Parts {
  readonly message: ReapiResult;
  readonly result: ActionResult;
  readonly layer: Layer;
  readonly server: MemoryReapi;
}
type Forge = (parts: Parts) => Buffer;

const RESULT = 'out/result.json';

/** The message with another result.json, and all that follows from it. */
function withResult({ message, result }: Parts, change: object, more: Partial<ReapiResult> = {}): Buffer {
  return withContents(message, Buffer.from(canonicalJSON({ ...result, ...change })), more);
}

function withContents(message: ReapiResult, contents: Buffer, more: Partial<ReapiResult> = {}): Buffer {
  const others = message.outputFiles.filter(({ path }) => path !== RESULT);
  const outputFiles = [...others, { path: RESULT, digest: digestOf(contents), executable: false, contents }];
  return encodeActionResult({ ...message, outputFiles, ...more });
}

/** A result whose layer is another one, with everything consistent but what the layer itself has wrong. */
function withLayer(parts: Parts, layer: Layer): Buffer {
  const { message, server } = parts;
  server.put(layerText(layer));
  const contents = Buffer.from(canonicalJSON({ ...parts.result, layer }));
  return encodeActionResult({
    ...message,
    metadata: {},
    outputFiles: [
      { path: 'out/app.layer', digest: layer.digest, executable: false },
      { path: RESULT, digest: digestOf(contents), executable: false, contents },
    ],
    outputDirectories: [{ path: 'out/app', tree: layer.tree, root: layer.root }],
  });
}

const described = (layer: Omit<Layer, 'digest'>): Layer => ({ ...layer, digest: digestOf(layerText(layer)) });

/** A result whose tree has these folders, the root first. */
function withTree(parts: Parts, [root, ...others]: readonly Directory[], more: Partial<Layer> = {}): Buffer {
  const tree = parts.server.put(encodeTree(root!, others));
  const count = { files: parts.layer.files, bytes: parts.layer.bytes };
  return withLayer(parts, described({ deleted: [], root: digestOf(encodeDirectory(root!)), tree, ...count, ...more }));
}

const folder = (parts: Partial<Directory>): Directory => ({ files: [], directories: [], symlinks: [], ...parts });
const content = Buffer.from('evil');
const named = (name: string): Directory => folder({ files: [{ name, digest: digestOf(content), executable: false }] });
const evil = (parts: Parts, name: string): Buffer => {
  parts.server.put(content);
  return withTree(parts, [named(name)], { files: 1, bytes: content.length });
};

/** 2^40 files in a few hundred bytes. */
function bomb(): readonly Directory[] {
  const levels = [named('f')];
  for (let depth = 0; depth < 40; depth++) {
    const digest = digestOf(encodeDirectory(levels[0]!));
    levels.unshift(folder({ directories: ['a', 'b'].map((name) => ({ name, digest })) }));
  }
  return levels;
}

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const elsewhere = digestOf('elsewhere');
const withoutContents = (message: ReapiResult): ReapiResult['outputFiles'] =>
  message.outputFiles.map(({ contents: _contents, ...file }) => file);

const ATTACKS: Readonly<Record<string, Forge>> = {
  'bytes that are no message': () => Buffer.from('\xff\xff\xff\xff', 'latin1'),
  'an empty message': () => Buffer.alloc(0),
  'exit status 1': ({ message }) => encodeActionResult({ ...message, exitCode: 1 }),
  'a negative exit status': ({ message }) => encodeActionResult({ ...message, exitCode: -9 }),
  'no result.json': ({ message }) =>
    encodeActionResult({ ...message, outputFiles: message.outputFiles.filter(({ path }) => path !== RESULT) }),
  'other bytes in result.json': ({ message }) =>
    encodeActionResult({
      ...message,
      outputFiles: message.outputFiles.map((file) =>
        file.path === RESULT ? { ...file, contents: Buffer.from('{"outputs":{}}') } : file,
      ),
    }),
  'the right hash with a wrong size': ({ message }) =>
    encodeActionResult({
      ...message,
      outputFiles: message.outputFiles.map((file) =>
        file.path === RESULT ? { ...file, digest: makeDigest(file.digest.slice(0, 64), 7) } : file,
      ),
    }),
  'a result.json that it does not have': ({ message, server }) => {
    for (const { path, digest } of message.outputFiles) if (path === RESULT) server.blobs.delete(digest);
    return encodeActionResult({ ...message, outputFiles: withoutContents(message) });
  },
  'a result.json that is no JSON': ({ message }) => withContents(message, Buffer.from('{"outputs":')),
  'a result.json that is a list': ({ message }) => withContents(message, Buffer.from('[]')),
  'a result.json that is not UTF-8': ({ message }) => withContents(message, Buffer.from([0x22, 0xff, 0x22])),
  'a result.json of 10,000 levels': ({ message }) =>
    withContents(message, Buffer.from(`{"outputs":{"said":${nested(10_000)}}}`)),
  'an app id': (parts) => withResult(parts, { appId: 'other' }),
  'a mark of what stays on a machine': (parts) => withResult(parts, { taint: 'variables' }),
  'a fallback': (parts) => withResult(parts, { degraded: { reason: 'x', host: 'x', expiresAt: 9e15 } }),
  'a result from the future': (parts) => withResult(parts, { storedAt: Date.now() + 3_600_000 }),
  'a negative time': (parts) => withResult(parts, { storedAt: -1 }),
  'a duration in words': (parts) => withResult(parts, { durationMs: 'long' }),
  'an unknown field': (parts) => withResult(parts, { trusted: true }),
  'outputs that break the schema': (parts) => withResult(parts, { outputs: { said: 1 } }),
  'outputs that the kind does not have': (parts) => withResult(parts, { outputs: { said: 'x', more: 'y' } }),
  'outputs that are a list': (parts) => withResult(parts, { outputs: [] }),
  'a state that is a text': (parts) => withResult(parts, { state: 'x' }),
  'a log of a terabyte': (parts) => {
    const log = makeDigest(sha256Hex('log'), 1e12);
    return withResult(parts, { log }, { stdout: log });
  },
  'another log than in result.json': ({ message }) => encodeActionResult({ ...message, stdout: elsewhere }),
  'a layer with another digest': (parts) => withLayer(parts, { ...parts.layer, digest: elsewhere }),
  'a layer that deletes outside': (parts) => withLayer(parts, described({ ...parts.layer, deleted: ['../x'] })),
  'a layer that deletes an absolute path': (parts) =>
    withLayer(parts, described({ ...parts.layer, deleted: ['/etc/passwd'] })),
  'a layer that deletes a path twice': (parts) => withLayer(parts, described({ ...parts.layer, deleted: ['x', 'x'] })),
  'a layer with another number of files': (parts) => withLayer(parts, described({ ...parts.layer, files: 99 })),
  'a layer with another number of bytes': (parts) => withLayer(parts, described({ ...parts.layer, bytes: 1 })),
  'a layer with another root': (parts) => withLayer(parts, described({ ...parts.layer, root: elsewhere })),
  'a layer without a folder': ({ message }) => encodeActionResult({ ...message, outputDirectories: [] }),
  'a folder without a layer': (parts) => withResult(parts, { layer: undefined }),
  'a folder twice': ({ message }) =>
    encodeActionResult({ ...message, outputDirectories: [...message.outputDirectories, ...message.outputDirectories] }),
  'a folder with another tree': ({ message }) =>
    encodeActionResult({
      ...message,
      outputDirectories: message.outputDirectories.map((each) => ({ ...each, tree: elsewhere })),
    }),
  'one more file': ({ message }) =>
    encodeActionResult({
      ...message,
      outputFiles: [...message.outputFiles, { path: '/etc/cron.d/x', digest: elsewhere, executable: true }],
    }),
  'a link': ({ message }) =>
    encodeActionResult({ ...message, outputSymlinks: [{ path: 'out/app/x', target: '/etc/passwd' }] }),
  'a name that leads outside': (parts) => evil(parts, '..'),
  'a name with a slash': (parts) => evil(parts, '../../evil'),
  'an absolute name': (parts) => evil(parts, '/evil'),
  'an empty name': (parts) => evil(parts, ''),
  'a name with a NUL': (parts) => evil(parts, 'e\0vil'),
  'a name of 300 bytes': (parts) => evil(parts, 'e'.repeat(300)),
  'a name twice in a folder': (parts) => {
    const file = { name: 'evil', digest: parts.server.put(content), executable: false };
    return withTree(parts, [folder({ files: [file], symlinks: [{ name: 'evil', target: '/' }] })], {
      files: 2,
      bytes: 4,
    });
  },
  'a link to nothing': (parts) =>
    withTree(parts, [folder({ symlinks: [{ name: 'evil', target: '' }] })], { files: 1, bytes: 0 }),
  'an incomplete tree': (parts) =>
    withTree(parts, [folder({ directories: [{ name: 'evil', digest: elsewhere }] })], { files: 0, bytes: 0 }),
  'a tree that unfolds to 2^40 files': (parts) =>
    withTree(parts, bomb(), { files: 2 ** 40, bytes: 2 ** 40 * content.length }),
  'a tree that is no message': (parts) => {
    const tree = parts.server.put(Buffer.from('\xff\xff\xff', 'latin1'));
    return withLayer(parts, described({ ...parts.layer, tree }));
  },
  'a tree of a gigabyte': (parts) =>
    withLayer(parts, described({ ...parts.layer, tree: makeDigest(sha256Hex('tree'), 1e9) })),
  'a tree that it does not have': (parts) =>
    withLayer(parts, described({ ...parts.layer, tree: makeDigest(sha256Hex('tree'), 100) })),
  '20 MiB inline': (parts) => withResult(parts, { outputs: { said: 'x'.repeat(20 * 1024 ** 2) } }),
};

describe('engine/remote, with a server that lies', function () {
  this.timeout(120_000);
  const scene = new ReapiScene();

  const nodes = (count: number): string =>
    Array.from({ length: count }, (_, index) => `  n${index}: { uses: maker, with: { name: m${index} } }\n`).join('');
  const machine = (count: number): Workspace => scene.machine(`pyflow: 1\nnodes:\n${nodes(count)}`, { maker });
  const partsOf = (bytes: Buffer): Parts => {
    const message = decodeActionResult(bytes)!;
    const contents = message.outputFiles.find(({ path }) => path === RESULT)!.contents!;
    const result = JSON.parse(Buffer.from(contents).toString()) as ActionResult;
    return { message, result, layer: result.layer!, server: scene.server };
  };
  const executedAll = (report: RunReport): void => {
    expect(new Set(Object.values(outcomesOf(report)))).to.deep.equal(new Set(['executed']));
  };

  it(`ignores ${Object.keys(ATTACKS).length} kinds of lies, each as a miss, with one notice`, async () => {
    const forges = Object.entries(ATTACKS);
    const one = machine(forges.length);
    const honest = await one.run(scene.remote({ write: true }));
    expect(scene.server.results.size).to.equal(forges.length);
    const names = new Map([...scene.server.results.keys()].map((key, index) => [key, forges[index]![0]]));
    const handedOut = new Set<string>();
    scene.server.onResult = (key, stored) => {
      handedOut.add(names.get(key)!);
      return ATTACKS[names.get(key)!]!(partsOf(stored));
    };
    const two = machine(forges.length);
    const report = await two.run(scene.remote());
    expect(handedOut.size).to.equal(forges.length);
    const believed = Object.entries(report.nodes).filter(([, { restoredFrom }]) => restoredFrom !== undefined);
    expect(believed.map(([, { key }]) => names.get(key!))).to.deep.equal([]);
    executedAll(report);
    expect(report.slug?.digest).to.equal(honest.slug?.digest);
    expect(report.remote).to.include({ hits: 0, misses: forges.length });
    expect(noticesOf(two)).to.deep.equal(['remote::invalid-result']);
    expect(readdirSync(two.root).sort()).to.deep.equal(readdirSync(one.root).sort());
    for (const path of ['/evil', join(two.root, '../evil')]) expect(existsSync(path), path).to.equal(false);
  });

  it('accepts what it did not touch', async () => {
    await machine(3).run(scene.remote({ write: true }));
    const { nodes: ended } = await machine(3).run(scene.remote());
    expect(Object.values(ended).map(({ restoredFrom }) => restoredFrom)).to.deep.equal(['remote', 'remote', 'remote']);
  });

  it('executes the node again if the bytes of a file are not those of its digest', async () => {
    const honest = await machine(5).run(scene.remote({ write: true }));
    const file = digestOf('file of m2');
    scene.server.onBlob = (digest, stored) => (digest === file ? Buffer.alloc(sizeOf(file), 'x') : stored);
    const work = machine(5);
    const report = await work.run(scene.remote());
    expect(report.slug?.digest).to.equal(honest.slug?.digest);
    const again = Object.entries(outcomesOf(report)).filter(([, outcome]) => outcome === 'executed');
    expect(again).to.deep.equal([['n2', 'executed']]);
    expect(noticesOf(work)).to.deep.equal(['cache::lost']);
  });

  describe('that others can write', () => {
    const trusted = generateKeyPairSync('ed25519');
    const stranger = generateKeyPairSync('ed25519');
    const settings = (work: Workspace, fields: object): Partial<RemoteRequest> => {
      const settingsFile = join(work.root, 'remote.json');
      writeFileSync(settingsFile, JSON.stringify(fields));
      return { settingsFile };
    };
    const pem = (work: Workspace, name: string, pair: typeof trusted): string => {
      writeFileSync(join(work.root, name), pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return name;
    };
    const trust = [trusted.publicKey.export({ type: 'spki', format: 'pem' }).toString()];

    it('uses signed results, and ignores 100 unsigned, foreign and replayed ones with one notice', async () => {
      const writer = machine(100);
      const sign = pem(writer, 'sign.pem', trusted);
      const honest = await writer.run(scene.remote({ write: true, ...settings(writer, { sign }) }));
      const reader = machine(100);
      const good = await reader.run(scene.remote(settings(reader, { trust })));
      expect(good.remote).to.include({ hits: 100, misses: 0 });

      const poisoner = machine(100);
      const foreign = pem(poisoner, 'foreign.pem', stranger);
      const signed = new Map(scene.server.results);
      scene.server.results.clear();
      await poisoner.run(scene.remote({ write: true, ...settings(poisoner, { sign: foreign }) }));
      const keys = [...signed.keys()];
      for (const [index, key] of keys.entries()) {
        // A signature of another key's result, no signature, the signature of a stranger.
        if (index % 3 === 0) scene.server.results.set(key, signed.get(keys[(index + 1) % keys.length]!)!);
        if (index % 3 === 1)
          scene.server.results.set(key, encodeActionResult({ ...partsOf(signed.get(key)!).message, metadata: {} }));
      }
      const victim = machine(100);
      const reads = scene.server.calls.get('BatchReadBlobs') ?? 0;
      const report = await victim.run(scene.remote(settings(victim, { trust })));
      executedAll(report);
      expect(report.slug?.digest).to.equal(honest.slug?.digest);
      expect(noticesOf(victim)).to.deep.equal(['remote::untrusted-result']);
      expect(scene.server.calls.get('BatchReadBlobs') ?? 0, 'no blob is fetched for a wrong signature').to.equal(reads);
    });

    it('keeps sets of results apart by salt or instance, and reads those that the settings name', async () => {
      const main = machine(4);
      await main.run(
        scene.remote({ write: true, ...settings(main, { scope: 'main', instances: { main: 'trusted' } }) }),
      );
      const branch = machine(4);
      const own = settings(branch, { scope: 'pr-17', reads: ['main'], instances: { main: 'trusted' } });
      const restored = await branch.run(scene.remote({ write: true, ...own }));
      expect(restored.remote).to.include({ hits: 4, misses: 0, uploaded: 0 });
      const more = machine(6);
      const built = await more.run(
        scene.remote({
          write: true,
          ...settings(more, { scope: 'pr-17', reads: ['main'], instances: { main: 'trusted' } }),
        }),
      );
      expect(built.remote).to.include({ hits: 4, misses: 2, uploaded: 2 });
      const later = machine(6);
      const seen = await later.run(scene.remote(settings(later, { scope: 'main', instances: { main: 'trusted' } })));
      expect(seen.remote, 'main does not see what a branch wrote').to.include({ hits: 4, misses: 2 });
      const unnamed = machine(6);
      expect((await unnamed.run(scene.remote())).remote).to.include({ hits: 0, misses: 6 });
    });
  });
});
