// Reads the base image from a local OCI layout. The layout may come from anywhere, so nothing in it is believed before it is
// checked.

import { sha256Hex } from '../files/digest.js';
import { FailureError } from '../failure.js';
import { Folder } from '../files/folder.js';
import { isCount, isShallow, isTable, isText } from '../files/untrusted-json.js';
import { baseUnusable } from './output-failures.js';
import {
  BLOBS,
  INDEX_FILE,
  KNOWN_INDEXES,
  KNOWN_LAYERS,
  KNOWN_MANIFESTS,
  REF_NAME,
  type Descriptor,
} from './oci-words.js';

export interface BaseImage {
  readonly layout: string;
  readonly layers: readonly Descriptor[];
  /** `sha256:HEX` of each layer before compression. */
  readonly diffIds: readonly string[];
  /** The parsed image configuration. Checked: an object, not too deep, for this platform. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface Platform {
  readonly os: string;
  /** As Go names it. */
  readonly architecture: string;
}

const LARGEST_JSON = 4 * 1024 * 1024;
/** So that at least some of the 127 that overlay file systems stack are left for the app. */
const MOST_LAYERS = 100;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Throws a `FailureError` if the layout has no image that can be the base. */
export function readBaseImage(layout: string, ref: string | undefined, platform: Platform): BaseImage {
  const reader = new LayoutReader(layout);
  const manifest = reader.manifest(reader.chosen(ref), platform);
  const { layers, config: about } = manifest;
  if (!Array.isArray(layers) || layers.length > MOST_LAYERS)
    throw reader.refuse(`Its manifest has no list of at most ${MOST_LAYERS} layers.`);
  const config = reader.blob(reader.descriptor(about));
  const found = { os: config['os'], architecture: config['architecture'] };
  if (found.os !== platform.os || found.architecture !== platform.architecture)
    throw reader.refuse(
      `The image is for ${String(found.os)}/${String(found.architecture)}, the app for ${platform.os}/${platform.architecture}.`,
    );
  const diffIds = isTable(config['rootfs']) ? config['rootfs']['diff_ids'] : undefined;
  if (
    !Array.isArray(diffIds) ||
    !diffIds.every((id) => isText(id) && DIGEST.test(id)) ||
    diffIds.length !== layers.length
  )
    throw reader.refuse('Its configuration does not list one digest for each layer.');
  return { layout, layers: layers.map((layer) => reader.layer(layer)), diffIds: diffIds as string[], config };
}

class LayoutReader {
  readonly #folder: Folder;

  constructor(private readonly path: string) {
    this.#folder = new Folder(path, path);
  }

  refuse(detail: string): FailureError {
    return new FailureError(baseUnusable(this.path, detail));
  }

  /** The descriptor that the index has under the name; without a name, its only one. */
  chosen(ref: string | undefined): Descriptor {
    const manifests = this.#json(INDEX_FILE, this.#read(INDEX_FILE))['manifests'];
    if (!Array.isArray(manifests)) throw this.refuse('Its index.json has no list of manifests.');
    const named = manifests.filter(isTable).map((each) => ({ each, name: refOf(each) }));
    const found = ref === undefined ? named : named.filter(({ name }) => name === ref);
    if (found.length === 1) return this.descriptor(found[0]!.each);
    const names = named.flatMap(({ name }) => (name === undefined ? [] : [name]));
    const known = names.length === 0 ? 'Its images have no names.' : `Its images: ${names.slice(0, 20).join(', ')}.`;
    throw this.refuse(
      ref === undefined
        ? `It has ${found.length} images, so one must be named. ${known}`
        : `It has no image ${ref}. ${known}`,
    );
  }

  /** Goes from an index to the manifest for the platform. */
  manifest(descriptor: Descriptor, platform: Platform): Readonly<Record<string, unknown>> {
    if (KNOWN_MANIFESTS.has(descriptor.mediaType)) return this.blob(descriptor);
    if (!KNOWN_INDEXES.has(descriptor.mediaType)) throw this.refuse(`It has media type ${descriptor.mediaType}.`);
    const { manifests } = this.blob(descriptor);
    const fitting = (Array.isArray(manifests) ? manifests : []).find(
      (each) =>
        isTable(each) &&
        isTable(each['platform']) &&
        each['platform']['os'] === platform.os &&
        each['platform']['architecture'] === platform.architecture,
    );
    if (fitting === undefined) throw this.refuse(`It has no image for ${platform.os}/${platform.architecture}.`);
    const found = this.descriptor(fitting);
    if (!KNOWN_MANIFESTS.has(found.mediaType)) throw this.refuse(`It has media type ${found.mediaType}.`);
    return this.blob(found);
  }

  descriptor(value: unknown): Descriptor {
    if (!isTable(value)) throw this.refuse('A descriptor is missing.');
    const { mediaType, digest, size } = value;
    if (!isText(mediaType) || !isText(digest) || !DIGEST.test(digest) || !isCount(size))
      throw this.refuse('A descriptor lacks its media type, SHA-256 or size.');
    return { mediaType, digest, size };
  }

  layer(value: unknown): Descriptor {
    const { mediaType, ...rest } = this.descriptor(value);
    const known = Object.hasOwn(KNOWN_LAYERS, mediaType) ? KNOWN_LAYERS[mediaType] : undefined;
    if (known === undefined) throw this.refuse(`A layer has media type ${mediaType}, which pyflow can't pass on.`);
    return { mediaType: known, ...rest };
  }

  /** A blob of JSON whose bytes match the descriptor. */
  blob({ digest, size }: Descriptor): Readonly<Record<string, unknown>> {
    const path = `${BLOBS}/${digest.slice('sha256:'.length)}`;
    const bytes = this.#read(path);
    if (bytes.length !== size || `sha256:${sha256Hex(bytes)}` !== digest)
      throw this.refuse(`The bytes of ${digest} don't match it.`);
    return this.#json(path, bytes);
  }

  #read(path: string): Buffer {
    const bytes = this.#folder.read(path, LARGEST_JSON);
    if (bytes === undefined) throw this.refuse(`It has no ${path}.`);
    return bytes;
  }

  #json(path: string, bytes: Buffer): Readonly<Record<string, unknown>> {
    try {
      const value: unknown = JSON.parse(bytes.toString('utf8'));
      if (isTable(value) && isShallow(value)) return value;
    } catch {
      // Not JSON either.
    }
    throw this.refuse(`${path} is not a JSON object.`);
  }
}

function refOf(descriptor: Readonly<Record<string, unknown>>): string | undefined {
  const { annotations } = descriptor;
  const name = isTable(annotations) ? annotations[REF_NAME] : undefined;
  return isText(name) ? name : undefined;
}

/** Calls `use` with a path to a layer of the base that goes through no link. */
export async function withBaseBlob(layout: string, hex: string, use: (path: string) => Promise<void>): Promise<void> {
  const isThere = await new Folder(layout, layout).withFileOpen(`${BLOBS}/${hex}`, async ({ path }) => {
    await use(path);
    return true;
  });
  if (isThere === undefined) throw new FailureError(baseUnusable(layout, `It has no ${BLOBS}/${hex}.`));
}
