// What passed the gate for one action: kept beside its result, so that it can be built again without a network.

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
    return readSealed<PackageRecord>(`${this.folder}/${nameOf(key)}`, sealOf(key));
  }

  write(key: string, record: PackageRecord): void {
    writeSealed(`${this.folder}/${nameOf(key)}`, sealOf(key), record);
  }
}

const nameOf = (key: string): string => key.replace(/\W.*$/s, '');

const sealOf = (key: string) => ({ kind: 'package-record', version: 1, of: nameOf(key) });
