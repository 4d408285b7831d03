// Not the transport: kajiya fails a whole batch for one missing blob, and takes results only for actions that it has.

import { testRemoteCache } from '../servers/remote-cache.js';
import { testRemoteTrust } from '../servers/remote-trust.js';
import { kajiya } from '../support/servers/kajiya.js';

describe('remote cache on kajiya', () => testRemoteCache(kajiya)).timeout(120_000);

describe('trust in what kajiya holds', () => testRemoteTrust(kajiya)).timeout(120_000);
