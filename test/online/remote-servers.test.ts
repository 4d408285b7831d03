// The remote cache with the server that pip brings. `npm run test:cluster` runs the same tests with another one.

import { testRemoteCache } from '../servers/remote-cache.js';
import { testRemoteTransport } from '../servers/remote-transport.js';
import { testRemoteTrust } from '../servers/remote-trust.js';
import { casd } from '../support/casd.js';

describe('the remote transport, against buildbox-casd', () => testRemoteTransport(casd));

describe('remote cache on buildbox-casd', () => testRemoteCache(casd)).timeout(120_000);

describe('trust in what buildbox-casd holds', () => testRemoteTrust(casd)).timeout(120_000);
