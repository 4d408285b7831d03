// What passed the gate for one action: kept beside its result, so that it can be built again without a network.

import { isTable, isText } from '../files/untrusted-json.js';
import { readSealed, writeSealed } from '../files/sealed-json.js';

export interface RecordedFile {
  /** As a command asked for it, without what changes from run to run. */
  readonly url: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}
export interface RecordedPage extends RecordedFile {
  readonly contentType: string;
  /** Where the page came from, after redirects. */
  readonly from: string;
}

export interface PackageRecord {
  readonly pages: readonly RecordedPage[];
  readonly files: readonly RecordedFile[];
}

export class PackageRecords {
  constructor(private readonly folder: string) {}

  /** `key`: of the action. */
  read(key: string): PackageRecord | undefined {
    const record = readSealed<PackageRecord>(`${this.folder}/${nameOf(key)}`, sealOf(key));
    return isRecord(record) ? record : undefined;
  }

  write(key: string, record: PackageRecord): void {
    writeSealed(`${this.folder}/${nameOf(key)}`, sealOf(key), record);
  }
}

const nameOf = (key: string): string => key.replace(/\W.*$/s, '');

const sealOf = (key: string) => ({ kind: 'package-record', version: 1, of: nameOf(key) });

/** The folder may be writable for others, who can compute the checksum. */
const isRecord = (value: unknown): value is PackageRecord =>
  isTable(value) && [value['pages'], value['files']].every((list) => Array.isArray(list) && list.every(isFile));

const isFile = (value: unknown): boolean =>
  isTable(value) &&
  isText(value['url']) &&
  URL.canParse(value['url']) &&
  isText(value['sha256']) &&
  /^[0-9a-f]{64}$/.test(value['sha256']) &&
  ['contentType', 'from'].every((name) => value[name] === undefined || isText(value[name]));
