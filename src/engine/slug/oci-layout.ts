// A folder with an OCI image layout: adds blobs, then replaces the index by a rename. Blobs and images of others stay.

import { lstatSync, renameSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { digestOf, hexOf, sizeOf, type Digest } from '../files/digest.js';
import { digestFile } from '../files/file-digest.js';
import { Folder } from '../files/folder.js';
import { writeNewFile, type FileForm } from '../files/new-files.js';
import { isTable, isText } from '../files/untrusted-json.js';
import { removeFile } from '../files/remove-tree.js';
import type { JSONObject } from '../../manifests/json-schema.js';
import type { SlugTrace } from '../app/slug-marker.js';
import { isUntouched, traceOfFile } from './output-record.js';
import { BLOBS, INDEX_FILE, INDEX_TYPE, jsonBytes, LAYOUT_FILE, OWN_IMAGE, OWN_LAYOUT, REF_NAME } from './oci-words.js';

const LARGEST_INDEX = 4 * 1024 * 1024;
const HOUR_MS = 3_600_000;
const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';

type Table = Readonly<Record<string, unknown>>;

/** The index of a layout; undefined if there is none that can be read. */
export function readIndex(path: string): Table | undefined {
  try {
    const text = new Folder(path, path).readText(INDEX_FILE, LARGEST_INDEX);
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return isTable(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export const isOwnLayout = (index: Table): boolean =>
  isTable(index['annotations']) && OWN_LAYOUT in index['annotations'];

export class LayoutWriter {
  readonly #folder: Folder;
  readonly #known: ReadonlyMap<string, SlugTrace>;
  readonly #blobs = new Map<string, Digest>();
  #newCount = 0;
  #newBytes = 0;
  #changed = false;

  /** `traces`: of files that an earlier run wrote and therefore need not be read again. */
  constructor(
    private readonly path: string,
    traces: readonly SlugTrace[],
    /** Of new blobs. */
    readonly form: FileForm,
  ) {
    this.#folder = new Folder(path, path);
    this.#known = new Map(traces.map((trace) => [trace[0], trace]));
    this.#folder.makeFolders(BLOBS);
  }

  get newBlobs(): { readonly count: number; readonly bytes: number } {
    return { count: this.#newCount, bytes: this.#newBytes };
  }

  /** Of all blobs that were added or found. */
  get bytes(): number {
    return [...this.#blobs.values()].reduce((sum, digest) => sum + sizeOf(digest), 0);
  }

  get changed(): boolean {
    return this.#changed;
  }

  /** Unless the layout has the blob, `write` makes a new file with its bytes. */
  async add(digest: Digest, write: (path: string) => Promise<void>): Promise<void> {
    this.#blobs.set(hexOf(digest), digest);
    await this.#folder.holding(BLOBS, async (blobs) => {
      const target = `${blobs}/${hexOf(digest)}`;
      if (await this.#isThere(target, digest)) return;
      const temporary = `${blobs}/.${randomBytes(8).toString('hex')}.tmp`;
      try {
        await write(temporary);
        renameSync(temporary, target);
      } catch (error) {
        removeFile(temporary);
        throw error;
      }
    });
  }

  async #isThere(target: string, digest: Digest): Promise<boolean> {
    const stat = lstatSync(target, { throwIfNoEntry: false });
    const isRight =
      stat?.isFile() === true &&
      stat.size === sizeOf(digest) &&
      (this.#isKnown(hexOf(digest)) || (await this.#hasDigest(target, digest)));
    if (isRight) return true;
    this.#changed = true;
    this.#newCount++;
    this.#newBytes += sizeOf(digest);
    return false;
  }

  #isKnown(hex: string): boolean {
    const trace = this.#known.get(`${this.path}/${BLOBS}/${hex}`);
    return trace !== undefined && isUntouched(trace);
  }

  async #hasDigest(target: string, digest: Digest): Promise<boolean> {
    const found = await digestFile(target);
    return found.ok && found.value === digest;
  }

  async addJSON(value: JSONObject): Promise<Digest> {
    const bytes = jsonBytes(value);
    const digest = digestOf(bytes);
    await this.add(digest, (path) => Promise.resolve(writeNewFile(path, bytes, this.form)));
    return digest;
  }

  /** Removes what killed runs left there. Nothing takes longer than an hour. */
  sweep(now: number): void {
    for (const folder of ['', BLOBS]) {
      for (const name of this.#folder.names(folder)) {
        if (!/^\.(?:[\w-]+(?:\.json)?\.)?[0-9a-f]{16}\.tmp$/.test(name)) continue;
        const path = folder === '' ? name : `${folder}/${name}`;
        const stat = this.#folder.stat(path);
        if (stat?.isFile() === true && now - stat.mtimeMs > HOUR_MS) this.#folder.remove(path);
      }
    }
  }

  /** Makes the images part of the layout. Everything that they need must have been added. */
  publish(images: readonly { readonly name: string; readonly descriptor: JSONObject }[]): void {
    if (this.#folder.readText(LAYOUT_FILE, LARGEST_INDEX) !== LAYOUT_TEXT) this.#replace(LAYOUT_FILE, LAYOUT_TEXT);
    const names = new Set(images.map(({ name }) => name));
    const index = readIndex(this.path) ?? {};
    const others = (Array.isArray(index['manifests']) ? index['manifests'] : []).filter((each) => {
      const annotations = isTable(each) && isTable(each['annotations']) ? each['annotations'] : {};
      const ref = annotations[REF_NAME];
      return isTable(each) && !(OWN_IMAGE in annotations) && !(isText(ref) && names.has(ref));
    });
    const own = images.map(({ name, descriptor }) => ({
      ...descriptor,
      annotations: { [REF_NAME]: name, [OWN_IMAGE]: name },
    }));
    const bytes = jsonBytes({
      schemaVersion: 2,
      mediaType: INDEX_TYPE,
      manifests: [...own, ...(others as JSONObject[])],
      annotations: { [OWN_LAYOUT]: '1' },
    });
    if (this.#folder.read(INDEX_FILE, LARGEST_INDEX)?.equals(bytes) !== true) this.#replace(INDEX_FILE, bytes);
  }

  #replace(name: string, content: string | Uint8Array): void {
    this.#changed = true;
    const temporary = `.${name}.${randomBytes(8).toString('hex')}.tmp`;
    try {
      this.#folder.write(temporary, content);
      this.#folder.rename(temporary, name);
    } catch (error) {
      this.#folder.remove(temporary);
      throw error;
    }
  }

  /** Of all files of the images, and of those that name them. */
  traces(): readonly SlugTrace[] {
    const files = [INDEX_FILE, LAYOUT_FILE, ...[...this.#blobs.keys()].map((hex) => `${BLOBS}/${hex}`)];
    return files.flatMap((file) => {
      const trace = traceOfFile(`${this.path}/${file}`);
      return trace === undefined ? [] : [trace];
    });
  }
}
