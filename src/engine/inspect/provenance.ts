// Writes the provenance of a slug: SLSA v1 in an in-toto statement, on request signed in a DSSE envelope.

import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { readOperatorText } from '../files/operator-file.js';
import { alteredSlug, noRunOfSlug, unusableSigningKey } from './failures.js';
import type { Amount, Inventory, InventoryPackage } from './inventory.js';
import { debianUrl, genericUrl, pypiUrl } from './package-url.js';

/** A ResourceDescriptor of in-toto. */
interface Resource {
  readonly name: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Statement {
  readonly _type: 'https://in-toto.io/Statement/v1';
  readonly subject: readonly Resource[];
  readonly predicateType: 'https://slsa.dev/provenance/v1';
  readonly predicate: object;
}

export interface Builder {
  /** Name or URI of the builder, as the operator set it. */
  readonly builder: string | undefined;
  readonly pyflowVersion: string;
}

/** Fails if the record of the run is gone, or if files changed since the run: nothing would be known about those. */
export function provenance(inventory: Inventory, { builder, pyflowVersion }: Builder): Result<Statement, Failure> {
  const { slug, run } = inventory;
  if (slug.altered.length > 0) return fail(alteredSlug(slug.altered));
  if (run === undefined) return fail(noRunOfSlug(slug.digest));
  const started = Date.parse(run.startedAt);
  return succeed({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [
      { name: 'tree', digest: { sha256: slug.digest.slice(0, 64) } },
      { name: 'files', digest: { sha256: slug.content } },
    ],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:pyflow:pipeline:1',
        externalParameters: {
          pipeline: run.pipeline,
          app: run.appId,
          ...(run.python?.requested !== undefined && { python: run.python.requested }),
        },
        internalParameters: {},
        resolvedDependencies: dependenciesOf(inventory),
      },
      runDetails: {
        builder: { id: builderId(builder), version: { pyflow: pyflowVersion } },
        metadata: { invocationId: run.id, startedOn: isoOf(started), finishedOn: isoOf(started + run.durationMs) },
      },
    },
  });
}

const isoOf = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : '1980-01-01T00:00:00.000Z');

const builderId = (builder: string | undefined): string =>
  builder !== undefined && /^[a-z][a-z0-9+.-]*:\S+$/.test(builder)
    ? builder
    : `urn:pyflow:builder:${encodeURIComponent(builder ?? 'unnamed')}`;

const contentOf = ({ files, bytes, content }: Amount): Readonly<Record<string, string>> => ({
  files: String(files),
  bytes: String(bytes),
  content_sha256: content,
});

function dependenciesOf({ run, app, python, packages, system }: Inventory): readonly Resource[] {
  const { provider } = run?.python ?? {};
  return [
    { name: 'source', digest: { sha256: app.content }, annotations: contentOf(app) },
    {
      name: 'python',
      uri: genericUrl('python', python.version),
      digest: { sha256: python.content },
      annotations: { ...contentOf(python), ...(provider !== undefined && { provider }) },
    },
    ...(run?.tools ?? []).map(({ name, version }) => ({ name: `tool ${name}`, uri: pypiUrl({ key: name, version }) })),
    ...packages.map(packageResource),
    ...system.map(({ name, version, source }) => ({
      name,
      uri: source === 'distribution' ? debianUrl(name, version) : genericUrl(name, version),
    })),
  ];
}

/** A digest is that of the archive; the files that it became are in an annotation. */
function packageResource(one: InventoryPackage): Resource {
  const { sha256 } = one.directUrl?.hashes ?? {};
  return {
    name: one.key,
    uri: pypiUrl(one),
    ...(sha256?.length === 64 && { digest: { sha256 } }),
    annotations: contentOf(one),
  };
}

const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** The bytes that DSSE signs. */
export const preAuthEncoding = (payload: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.byteLength} `), payload]);

/** `keyFile`: PEM, ed25519. Without one, the statement itself. */
export function provenanceText(statement: Statement, keyFile: string | undefined): Result<string, Failure> {
  if (keyFile === undefined) return succeed(`${JSON.stringify(statement, undefined, 2)}\n`);
  const key = signingKey(keyFile);
  if (!key.ok) return key;
  const payload = Buffer.from(JSON.stringify(statement));
  const publicKey = createPublicKey(key.value).export({ type: 'spki', format: 'der' });
  const envelope = {
    payloadType: PAYLOAD_TYPE,
    payload: payload.toString('base64'),
    signatures: [
      {
        keyid: createHash('sha256').update(publicKey).digest('hex'),
        sig: sign(undefined, preAuthEncoding(payload), key.value).toString('base64'),
      },
    ],
  };
  return succeed(`${JSON.stringify(envelope, undefined, 2)}\n`);
}

function signingKey(path: string): Result<KeyObject, Failure> {
  const text = readOperatorText(path);
  if (!text.ok) return fail(unusableSigningKey(path, text.failure));
  try {
    const key = createPrivateKey(text.value);
    if (key.asymmetricKeyType === 'ed25519') return succeed(key);
    return fail(unusableSigningKey(path, `It holds a key of the type ${key.asymmetricKeyType}.`));
  } catch {
    return fail(unusableSigningKey(path, 'It holds no private key, or one that is protected by a passphrase.'));
  }
}
