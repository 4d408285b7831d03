// Files of `pyflow cache export`, made by hand: an honest one, and parts of it to replace by hostile ones.

import { canonicalJSON } from '../../src/manifests/json-schema.js';
import {
  digestOf,
  EMPTY_DIGEST,
  hexOf,
  sha256Hex,
  type ActionKey,
  type Digest,
} from '../../src/engine/files/digest.js';
import { KEY_FORMAT } from '../../src/engine/node/key.js';
import { encodeResult, type StoredResult } from '../../src/engine/store/results.js';
import type { ActionResult, KeyRecord } from '../../src/engine/store/store.js';
import { layerText } from '../../src/engine/trees/layers.js';
import { encodeDirectory } from '../../src/engine/trees/reapi.js';
import type { Directory, Layer } from '../../src/engine/trees/tree.js';
import { tarOf, type TarEntry } from './archives.js';

export const VERSION = { format: 1, keyFormat: KEY_FORMAT };

export const RECORD: KeyRecord = {
  format: KEY_FORMAT,
  kind: 'command',
  revision: 1,
  config: { argv: ['true'] },
  values: {},
  facts: null,
  env: { PATH: '/usr/bin' },
  secrets: {},
  platform: { OSFamily: 'linux' },
  files: { 'in.txt': 'abc' },
  exists: {},
  trees: {},
  tools: {},
  scope: '',
};

export const keyOf = (name: string): ActionKey => digestOf(name) as ActionKey;

export const directory = (parts: Partial<Directory> = {}): Directory => ({
  files: [],
  directories: [],
  symlinks: [],
  ...parts,
});

export const fileEntry = (name: string, digest: Digest) => ({ name, digest, executable: false });

/** A tree and what the layer says of it. */
export interface ForgedLayer {
  /** The encoded root, then the others. */
  readonly directories: readonly Buffer[];
  readonly layer?: Partial<Layer>;
}

export class ForgedArchive {
  readonly blobs = new Map<string, Buffer>();
  readonly results = new Map<string, Buffer>();

  blob(content: string | Buffer): Digest {
    const bytes = Buffer.from(content);
    const digest = digestOf(bytes);
    if (digest !== EMPTY_DIGEST) this.blobs.set(hexOf(digest), bytes);
    return digest;
  }

  record(changes: object = {}): Digest {
    return this.blob(canonicalJSON({ ...RECORD, ...changes }));
  }

  layer({ directories, layer: changes = {} }: ForgedLayer): Layer {
    const tree = this.blob(treeOf(directories));
    const content = { tree, root: digestOf(directories[0] as Buffer), deleted: [], files: 0, bytes: 0, ...changes };
    return { digest: this.blob(layerText(content)), ...content };
  }

  /** Adds a result of any content. */
  result(
    name: string,
    result: Partial<ActionResult> & Readonly<Record<string, unknown>> = {},
    stored: Partial<StoredResult> & Readonly<Record<string, unknown>> = {},
  ): this {
    const key = keyOf(name);
    const whole = { outputs: {}, durationMs: 1, storedAt: 1, ...result } as ActionResult;
    const about = { key, record: stored.record ?? this.record(), boot: '', sealed: false, run: '' };
    const builder = whole.builder === undefined ? '' : `.${sha256Hex(String(whole.builder)).slice(0, 16)}`;
    this.results.set(
      `${hexOf(key)}${builder}`,
      encodeResult({ ...about, writtenAt: whole.storedAt, ...stored, result: whole } as StoredResult),
    );
    return this;
  }

  entries(version: unknown = VERSION): TarEntry[] {
    const sorted = (map: ReadonlyMap<string, Buffer>, folder: string): TarEntry[] =>
      [...map]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([hash, content]) => ({ name: `${folder}/sha256/${hash}`, content }));
    return [
      { name: 'pyflow-cache.json', content: `${JSON.stringify(version)}\n` },
      ...sorted(this.blobs, 'blobs'),
      ...sorted(this.results, 'results'),
    ];
  }

  tar(): Promise<Buffer> {
    return tarOf(this.entries());
  }
}

export const treeOf = ([root, ...others]: readonly Buffer[]): Buffer =>
  Buffer.concat([field(1, root as Buffer), ...others.map((bytes) => field(2, bytes))]);

/** A field of a protobuf message. */
export function field(number: number, bytes: Buffer): Buffer {
  const size: number[] = [];
  let rest = bytes.length;
  for (; rest >= 128; rest = Math.floor(rest / 128)) size.push((rest % 128) | 128);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...size, rest]), bytes]);
}

export const LARGE = Buffer.alloc(100_000, 'large ');

/** An archive with one result that has a layer, a tool, a log, small and large files, a link, a folder, deletions. */
export function honestArchive(): ForgedArchive {
  const archive = new ForgedArchive();
  const below = encodeDirectory(directory({ files: [fileEntry('large', archive.blob(LARGE))] }));
  const root = encodeDirectory(
    directory({
      files: [fileEntry('empty', EMPTY_DIGEST), fileEntry('small', archive.blob('small'))],
      directories: [{ name: 'below', digest: digestOf(below) }],
      symlinks: [{ name: 'link', target: 'small' }],
    }),
  );
  const counted = { files: 4, bytes: LARGE.length + 5, deleted: ['gone', 'old/gone'] };
  const layer = archive.layer({ directories: [root, below], layer: counted });
  const tool = archive.layer({ directories: [below], layer: { files: 1, bytes: LARGE.length } });
  const log = archive.blob(`${JSON.stringify({ stream: 'stdout', at: 1, text: 'made' })}\n`);
  return archive.result('honest', {
    outputs: { tree: layer.digest, tool: tool.digest },
    layer,
    tool,
    log,
    state: { a: 1 },
  });
}
