// Names of the OCI image format, and the JSON that pyflow writes in it. https://github.com/opencontainers/image-spec

import { canonicalJSON, type JSONObject, type JSONValue } from '../../manifests/json-schema.js';

export const INDEX_FILE = 'index.json';
export const LAYOUT_FILE = 'oci-layout';
export const BLOBS = 'blobs/sha256';

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
export const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
export const LAYER_TYPES = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;
export const REF_NAME = 'org.opencontainers.image.ref.name';
/** On descriptors in the index: the image belongs to pyflow, which replaces it with the next one. */
export const OWN_IMAGE = 'io.pyflow.process';
/** On the index: pyflow may replace it. */
export const OWN_LAYOUT = 'io.pyflow.layout';

/** Another image's manifests and descriptors of layers; Docker's older names mean the same. */
export const KNOWN_MANIFESTS = new Set([MANIFEST_TYPE, 'application/vnd.docker.distribution.manifest.v2+json']);
export const KNOWN_INDEXES = new Set([INDEX_TYPE, 'application/vnd.docker.distribution.manifest.list.v2+json']);
export const KNOWN_LAYERS: Readonly<Record<string, string>> = {
  'application/vnd.oci.image.layer.v1.tar': 'application/vnd.oci.image.layer.v1.tar',
  [LAYER_TYPES.gzip]: LAYER_TYPES.gzip,
  [LAYER_TYPES.zstd]: LAYER_TYPES.zstd,
  'application/vnd.docker.image.rootfs.diff.tar.gzip': LAYER_TYPES.gzip,
};

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:HEX`. */
  readonly digest: string;
  readonly size: number;
}

/** The same value always gives the same bytes. */
export const jsonBytes = (value: JSONObject): Buffer => Buffer.from(canonicalJSON(value as JSONValue));

export const hexOfOci = (digest: string): string => digest.slice('sha256:'.length);
