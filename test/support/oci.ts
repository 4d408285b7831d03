// Reads and writes OCI image layouts in tests, with the programs tar, gzip and zstd instead of pyflow's own code.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
export interface Image {
  readonly digest: string;
  readonly layers: readonly Descriptor[];
  readonly config: {
    readonly architecture: string;
    readonly created: string;
    readonly config: Readonly<Record<string, unknown>> & {
      readonly Env: readonly string[];
      readonly Cmd: readonly string[];
    };
    readonly rootfs: { readonly diff_ids: readonly string[] };
    readonly history: readonly { readonly created_by?: string }[];
  };
}

/** Bytes that a program may print. */
const LARGE = { maxBuffer: 2 ** 31 };

const hexOf = (digest: string): string => digest.slice('sha256:'.length);
export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const blobPath = (layout: string, digest: string): string => join(layout, 'blobs/sha256', hexOf(digest));

/** Checks the digest of every blob that it reads. */
function blob(layout: string, { digest, size }: Descriptor): Buffer {
  const bytes = readFileSync(blobPath(layout, digest));
  if (bytes.length !== size || `sha256:${sha256(bytes)}` !== digest) throw new Error(`wrong blob ${digest}`);
  return bytes;
}

/** The images by name, in the order of the index. */
export function readImages(layout: string): ReadonlyMap<string, Image> {
  if (readFileSync(join(layout, 'oci-layout'), 'utf8') !== '{"imageLayoutVersion":"1.0.0"}')
    throw new Error('no layout');
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    readonly manifests: readonly (Descriptor & { readonly annotations?: Readonly<Record<string, string>> })[];
  };
  return new Map(
    index.manifests.map((descriptor) => {
      const manifest = JSON.parse(blob(layout, descriptor).toString()) as {
        readonly config: Descriptor;
        readonly layers: readonly Descriptor[];
      };
      const config = JSON.parse(blob(layout, manifest.config).toString()) as Image['config'];
      const name = descriptor.annotations?.['org.opencontainers.image.ref.name'] ?? '';
      return [name, { digest: descriptor.digest, layers: manifest.layers, config }];
    }),
  );
}

/** The tar archives of the image's layers, each checked against its diff id. */
export function layerTars(layout: string, { layers, config }: Image): readonly Buffer[] {
  return layers.map((layer, index) => {
    const bytes = blob(layout, layer);
    const tar = decompressed(bytes, layer.mediaType.endsWith('zstd') ? 'zstd' : 'gzip');
    if (`sha256:${sha256(tar)}` !== config.rootfs.diff_ids[index]) throw new Error(`wrong diff id of layer ${index}`);
    return tar;
  });
}

export const decompressed = (bytes: Buffer, program: 'gzip' | 'zstd'): Buffer =>
  execFileSync(program, ['-dc'], { input: bytes, ...LARGE });

export function unpack(tar: Buffer, folder: string): void {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xpf', '-', '--no-same-owner', '-C', folder], { input: tar });
}

/** The root file system of an image. Only for images without whiteouts. */
export function unpackImage(layout: string, image: Image, folder: string): void {
  for (const tar of layerTars(layout, image)) unpack(tar, folder);
}

/** Path -> type, mode and content of everything below the folder. */
export function contentOf(folder: string, skip: ReadonlySet<string> = new Set()): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of readdirSync(folder, { recursive: true }).map(String).sort()) {
    if (skip.has(path)) continue;
    const stat = lstatSync(join(folder, path));
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) found[path] = `-> ${readlinkSync(join(folder, path))}`;
    else found[path] = stat.isDirectory() ? `folder ${mode}` : `${mode} ${sha256(readFileSync(join(folder, path)))}`;
  }
  return found;
}

export interface BaseOptions {
  /** Path -> content of the files of its one layer. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder with the files of the layer. Default: beside the layout. */
  readonly tree?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly architecture?: string;
  readonly name?: string;
}

/** Writes a layout with an image of one layer, as another tool might. */
export function writeBase(layout: string, options: BaseOptions): void {
  const { files = {}, config = {}, architecture, name, tree = `${layout}-tree` } = options;
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(tree, path, '..'), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  const tar = execFileSync('tar', ['-cf', '-', '-C', tree, '.'], LARGE);
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const add = (bytes: Buffer, mediaType: string): Descriptor => {
    const descriptor = { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
    writeFileSync(blobPath(layout, descriptor.digest), bytes);
    return descriptor;
  };
  const json = (value: object, mediaType: string): Descriptor => add(Buffer.from(JSON.stringify(value)), mediaType);
  const layer = add(
    execFileSync('gzip', ['-1c'], { input: tar, ...LARGE }),
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
  );
  const about = json(
    {
      architecture: architecture ?? { x64: 'amd64' }[process.arch as string] ?? process.arch,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(tar)}`] },
      history: [{ created_by: 'the base' }],
    },
    'application/vnd.docker.container.image.v1+json',
  );
  const manifest = json(
    { schemaVersion: 2, config: about, layers: [layer] },
    'application/vnd.docker.distribution.manifest.v2+json',
  );
  const annotations = name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } };
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, ...annotations }] }),
  );
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}
