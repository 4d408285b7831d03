// The only importer of @grpc/grpc-js. The build puts it into a bundle of its own, which is loaded with the first connection.

import { Client, credentials, logVerbosity, Metadata, setLogVerbosity } from '@grpc/grpc-js';

// The library logs to the console, and with GRPC_TRACE it logs headers.
setLogVerbosity(logVerbosity.NONE);

export { Client, credentials, Metadata };
export type { ClientWritableStream, ServiceError } from '@grpc/grpc-js';
