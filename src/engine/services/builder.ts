// The builder: what a node can see of the machine besides its declared inputs, that is the programs, headers and libraries below
// /usr. Nodes that compile or run them get another result from another builder.

import { lstatSync, readdirSync } from 'node:fs';
import { sha256Hex } from '../files/digest.js';
import { readCacheFile } from '../files/cache-file.js';
import { publishFile, readSealed, writeSealed, type Seal } from '../files/sealed-json.js';
import { removeTree } from '../files/remove-tree.js';
import type { PackageChange } from '../events.js';
import { changedPackages, describeBuilder, packagesIn } from './builder-description.js';

/** A path with size, mtime and ctime in milliseconds, and inode, as they were when the builder was described. */
export type Trace = readonly [path: string, size: number, mtimeMs: number, ctimeMs: number, inode: number];

export interface BuilderOptions {
  readonly cacheDir: string;
  /** The operator's name for builders that are known to be equal. Replaces the digest. */
  readonly name?: string | undefined;
  /** Contains /usr and /var; tests use another folder. */
  readonly root?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

interface LastBuilder {
  readonly root: string;
  readonly id: string;
  readonly traces: readonly Trace[];
  readonly describedAt: number;
}

/** Bounds how long a change goes unnoticed that no trace shows. */
const VALID_MS = 60 * 60 * 1000;
/** A path that changed less than this before may change again with the same times. */
const YOUNG_MS = 2000;
const KEPT_DESCRIPTIONS = 20;
const DIGEST = 'sha256:';
const SEAL: Seal = { kind: 'builder', version: 1, of: 'last' };

export class Builder {
  #known: Pick<LastBuilder, 'id' | 'traces'> | undefined;

  constructor(private readonly options: BuilderOptions) {}

  /** `name:NAME` if the operator named the builder, else `sha256:DIGEST`. */
  get id(): string {
    return this.#look().id;
  }

  /** What shows that the builder is still the same. Empty if the operator named it. */
  get traces(): readonly Trace[] {
    return this.#look().traces;
  }

  /** Whether anything in this run depended on the builder. */
  get isAsked(): boolean {
    return this.#known !== undefined;
  }

  /** Packages that differ between two builders; empty if that is unknown. */
  changes(from: string, to: string): readonly PackageChange[] {
    const [before, after] = [this.#descriptionOf(from), this.#descriptionOf(to)];
    if (before === undefined || after === undefined) return [];
    return changedPackages(packagesIn(before), packagesIn(after));
  }

  #look(): Pick<LastBuilder, 'id' | 'traces'> {
    return (this.#known ??= this.#named() ?? this.#remembered() ?? this.#describe());
  }

  #named(): Pick<LastBuilder, 'id' | 'traces'> | undefined {
    const name = this.options.name?.trim() ?? '';
    return name === '' ? undefined : { id: `name:${name}`, traces: [] };
  }

  get #folder(): string {
    return `${this.options.cacheDir}/builders`;
  }
  get #lastFile(): string {
    return `${this.#folder}/last.json`;
  }

  #remembered(): LastBuilder | undefined {
    const { root = '', now } = this.options;
    const last = readSealed<LastBuilder>(this.#lastFile, SEAL);
    if (last === undefined || last.root !== root) return undefined;
    const age = now - last.describedAt;
    return age >= 0 && age <= VALID_MS && last.traces.every(isUntouched) ? last : undefined;
  }

  #describe(): LastBuilder {
    const { root = '', now } = this.options;
    const { text, watched } = describeBuilder(root);
    const hex = sha256Hex(text);
    const last = { root, id: `${DIGEST}${hex}`, traces: watched.flatMap(traceOf), describedAt: now };
    publishFile(this.#descriptionFile(hex), text);
    this.#dropOldDescriptions();
    // Otherwise a change within the same time stamp would go unnoticed.
    if (!last.traces.some((trace) => isYoung(trace, now))) writeSealed(this.#lastFile, SEAL, last);
    return last;
  }

  #descriptionFile(hex: string): string {
    return `${this.#folder}/${hex}.txt`;
  }

  #descriptionOf(id: string): string | undefined {
    const hex = id.startsWith(DIGEST) ? id.slice(DIGEST.length) : '';
    if (!/^[0-9a-f]{64}$/.test(hex)) return undefined;
    const text = readCacheFile(this.#descriptionFile(hex))?.toString('utf8');
    return text !== undefined && sha256Hex(text) === hex ? text : undefined;
  }

  #dropOldDescriptions(): void {
    try {
      const names = readdirSync(this.#folder).filter((name) => name.endsWith('.txt'));
      if (names.length <= KEPT_DESCRIPTIONS) return;
      const byAge = names.map((name) => ({ name, at: lstatSync(`${this.#folder}/${name}`).mtimeMs }));
      byAge.sort((a, b) => b.at - a.at);
      for (const { name } of byAge.slice(KEPT_DESCRIPTIONS)) removeTree(`${this.#folder}/${name}`);
    } catch {
      // Another process removed them, or the cache is not readable.
    }
  }
}

function traceOf(path: string): readonly Trace[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? [] : [[path, stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino]];
}

const isUntouched = (trace: Trace): boolean => {
  const [now] = traceOf(trace[0]);
  return now !== undefined && trace.every((value, index) => value === now[index]);
};

const isYoung = ([, , mtimeMs, ctimeMs]: Trace, now: number): boolean => Math.max(mtimeMs, ctimeMs) > now - YOUNG_MS;
