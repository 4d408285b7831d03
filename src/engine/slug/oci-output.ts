// `--output oci=PATH`: images of the app in a local OCI layout. Each part of the slug is one layer, so that an edit of the source
// makes one small new blob.

import { copyFile } from 'node:fs/promises';
import { constants } from 'node:fs';
import { launcherScript, PROFILE_FOLDER, profileScripts } from '../app/boot-script.js';
import { PROCFILE, LARGEST_PROCFILE, parseProcfile } from '../app/procfile.js';
import { FailureError } from '../failure.js';
import { digestOf, hexOf, makeDigest, sizeOf, type Digest } from '../files/digest.js';
import { digestFile } from '../files/file-digest.js';
import { finishCopy, FIXED_MTIME_S } from '../files/new-files.js';
import { pathBeneath } from '../files/path-beneath.js';
import type { OutputRequest } from '../request.js';
import { buildTree, type NewEntry, type TreeEntry } from '../trees/directories.js';
import { MissingBlob } from '../trees/output-tree.js';
import { readBaseImage, withBaseBlob, type BaseImage, type Platform } from './oci-base.js';
import { configOf, imageNames, LAUNCHER, manifestOf, type ImageLayer, type ImageParts } from './oci-image.js';
import { LayoutWriter } from './oci-layout.js';
import { CONFIG_TYPE, hexOfOci, INDEX_FILE, LAYER_TYPES, MANIFEST_TYPE } from './oci-words.js';
import { baseUnusable, reservedName, tooManyProcesses } from './output-failures.js';
import { readOutputRecord, traceOfFile, writeOutputRecord } from './output-record.js';
import type { OutputJob, Written } from './output-job.js';
import { packPart } from './packed-part.js';
import { fewParts } from './slug-parts.js';
import type { TarSource } from './part-tar.js';

export type OciRequest = Extract<OutputRequest, { readonly type: 'oci' }>;

export async function writeImages(request: OciRequest, job: OutputJob): Promise<Written> {
  const { path, user } = request;
  const { content, packing, sourceTimeS } = job;
  checkNames(content.entries.keys());
  const base =
    request.base === undefined ? undefined : readBaseImage(request.base.layout, request.base.ref, platformOfHost());
  const place = { ...job.place, path };
  const layout = new LayoutWriter(path, readOutputRecord(place)?.traces ?? [], {
    mode: 0o644,
    mtimeS: Math.floor(packing.now / 1000),
  });
  layout.sweep(packing.now);
  if (base !== undefined) await addBase(layout, base);
  const layers: ImageLayer[] = [];
  for (const { title, source } of layerSources(job, base))
    layers.push(await addLayer(layout, source, { title, request, job }));
  const processes = await processesOf(job);
  const created = new Date(sourceTimeS * 1000).toISOString().replace('.000Z', 'Z');
  const parts: ImageParts = { platform: platformOfHost(), base, layers, processes, user, created };
  const images = [];
  for (const name of imageNames(processes)) images.push(await addImage(layout, name, parts));
  packing.signal.throwIfAborted();
  layout.publish(images);
  const traces = layout.traces();
  writeOutputRecord(place, { key: '', traces });
  const ofBase = request.base === undefined ? undefined : traceOfFile(`${request.base.layout}/${INDEX_FILE}`);
  return {
    report: {
      digest: images[0]!.descriptor.digest,
      bytes: layout.bytes,
      newBlobs: layout.newBlobs,
      images: images.map(({ name, descriptor }) => ({ name, digest: descriptor.digest })),
    },
    traces: ofBase === undefined ? traces : [...traces, ofBase],
    changed: layout.changed,
  };
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };

const platformOfHost = (): Platform => ({ os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch });

/** A layer would say that such a file deletes another one. */
function checkNames(paths: Iterable<string>): void {
  for (const path of paths) if (/(^|\/)\.wh\./.test(path)) throw new FailureError(reservedName(path));
}

async function addBase(layout: LayoutWriter, base: BaseImage): Promise<void> {
  for (const { digest: name, size } of base.layers) {
    const digest = makeDigest(hexOfOci(name), size);
    await layout.add(digest, (path) =>
      withBaseBlob(base.layout, hexOf(digest), async (from) => {
        await copyFile(from, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
        const copied = await digestFile(path);
        if (!copied.ok || copied.value !== digest)
          throw new FailureError(baseUnusable(base.layout, `The bytes of ${name} don't match it.`));
        finishCopy(path, layout.form);
      }),
    );
  }
}

/** As many as overlay file systems stack. */
const MOST_LAYERS = 127;
/** Process types, each of which becomes an image. */
const MOST_PROCESSES = 200;

/** The launcher's layer, then those of the slug. */
function layerSources(
  { content, parts, table, mtimeOf, packing }: OutputJob,
  base: BaseImage | undefined,
): readonly { readonly title: string; readonly source: TarSource }[] {
  const file = (text: string, executable: boolean): NewEntry => {
    const bytes = Buffer.from(text);
    packing.store.write(digestOf(bytes), bytes);
    return { digest: digestOf(bytes), executable };
  };
  const entries: [string, NewEntry][] = [
    ['app', { directory: true }],
    [LAUNCHER, file(launcherScript(profilesIn(content.entries)), true)],
    // Hides what the base image has in this folder.
    ...(base !== undefined ? ([['app/.wh..wh..opq', file('', false)]] as [string, NewEntry][]) : []),
  ];
  const { root } = buildTree(entries, table);
  const mtimeS = FIXED_MTIME_S;
  return [
    { title: 'launcher', source: { table, root, folder: '', mtimeS } },
    ...fewParts(parts, MOST_LAYERS - 1 - (base?.layers.length ?? 0), table).map((part) => ({
      title: part.title,
      source: { table, root: part.root, folder: 'app', mtimeS: mtimeOf(part) },
    })),
  ];
}

async function addLayer(
  layout: LayoutWriter,
  source: TarSource,
  { title, request, job }: { readonly title: string; readonly request: OciRequest; readonly job: OutputJob },
): Promise<ImageLayer> {
  const { packing } = job;
  const { blob, diffId } = await packPart(source, packing);
  await layout.add(blob, async (path) => {
    if (!(await packing.store.materialize(blob, path, layout.form))) throw new MissingBlob(blob);
  });
  return {
    mediaType: LAYER_TYPES[request.compression],
    digest: `sha256:${hexOf(blob)}`,
    size: sizeOf(blob),
    diffId: `sha256:${diffId}`,
    createdBy: `pyflow: ${title}`,
  };
}

async function addImage(layout: LayoutWriter, name: string, parts: ImageParts) {
  const describe = (digest: Digest, mediaType: string) => ({
    mediaType,
    digest: `sha256:${hexOf(digest)}`,
    size: sizeOf(digest),
  });
  const config = describe(await layout.addJSON(configOf(name, parts)), CONFIG_TYPE);
  const manifest = describe(await layout.addJSON(manifestOf(config, parts)), MANIFEST_TYPE);
  return { name, descriptor: { ...manifest, platform: { ...parts.platform } } };
}

type Entries = ReadonlyMap<string, TreeEntry>;
const MOST_LINKS = 40;

/** What is at the path of the slug, with links followed inside it. */
function entryAt(entries: Entries, path: string): TreeEntry | undefined {
  let parts = path.split('/');
  for (let depth = 1, followed = 0; depth <= parts.length; depth++) {
    const entry = entries.get(parts.slice(0, depth).join('/'));
    if (entry === undefined) return undefined;
    if (entry.type !== 'symlink') {
      if (depth === parts.length) return entry;
      continue;
    }
    const target = pathBeneath(parts.slice(0, depth - 1).join('/'), entry.target);
    if (target === undefined || target === '' || ++followed > MOST_LINKS) return undefined;
    parts = [...target.split('/'), ...parts.slice(depth)];
    depth = 0;
  }
  return undefined;
}

function profilesIn(entries: Entries): readonly string[] {
  const prefix = `${PROFILE_FOLDER}/`;
  const names: string[] = [];
  for (const path of entries.keys()) {
    const name = path.slice(prefix.length);
    if (path.startsWith(prefix) && !name.includes('/') && entryAt(entries, path)?.type === 'file') names.push(name);
  }
  return profileScripts(names);
}

async function processesOf({ content, packing }: OutputJob): Promise<ReadonlyMap<string, string>> {
  const entry = entryAt(content.entries, PROCFILE);
  if (entry?.type !== 'file' || sizeOf(entry.digest) > LARGEST_PROCFILE) return new Map();
  const chunks: Buffer[] = [];
  for await (const chunk of packing.bytes.chunks(entry.digest)) chunks.push(Buffer.from(chunk));
  const processes = parseProcfile(Buffer.concat(chunks).toString('utf8'));
  if (processes.size > MOST_PROCESSES) throw new FailureError(tooManyProcesses(processes.size, MOST_PROCESSES));
  return processes;
}
