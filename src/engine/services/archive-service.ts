// The archive service as plugins get it: unpacks within the folders of a node and reports progress to the node's log.

import type { Archive, NodeLog } from '../sdk.js';
import { pinnedPaths } from './files.js';

/** `searchPath`: the operator's, to find the program for formats that this Node can't read. */
export const archiveService = (searchPath: readonly string[], log: Pick<NodeLog, 'progress'>): Archive => ({
  async unpack(context, request) {
    // Few nodes unpack anything: only those load the code for it.
    const { unpackArchive } = await import('./archive.js');
    return pinnedPaths(context, request, (paths) =>
      unpackArchive({
        ...request,
        ...paths,
        shown: request,
        searchPath,
        signal: context.signal,
        onProgress: (done, total) => log.progress(context, 'unpack', done, total, 'bytes'),
      }),
    );
  },
});
