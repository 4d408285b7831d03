import { testRemoteCache } from '../servers/remote-cache.js';
import { testRemoteTransport } from '../servers/remote-transport.js';
import { testRemoteTrust } from '../servers/remote-trust.js';
import { bazelRemote } from '../support/servers/bazel-remote.js';

describe('the remote transport, against bazel-remote', () => testRemoteTransport(bazelRemote));

describe('remote cache on bazel-remote', () => testRemoteCache(bazelRemote)).timeout(120_000);

describe('trust in what bazel-remote holds', () => testRemoteTrust(bazelRemote)).timeout(120_000);
