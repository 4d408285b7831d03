// download.test.ts runs this in a separate process with other trust or disk space: fetches one file and prints the result.

import { createDownload, type DownloadOptions } from '../../src/engine/services/download.js';

const { url, sha256, ...options } = JSON.parse(process.argv[2] ?? '{}') as Omit<DownloadOptions, 'clock'> & {
  readonly url: string;
  readonly sha256: string;
};
const download = createDownload({ ...options, clock: { now: () => 0 }, sleep: async () => {} });
console.log(JSON.stringify(await download.fetchFile({ url, sha256, signal: new AbortController().signal })));
