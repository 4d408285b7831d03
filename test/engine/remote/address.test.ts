import { expect } from 'chai';
import { addressOf } from '../../../src/engine/remote/address.js';
import { checkAddress } from '../../../src/engine/remote/address-rules.js';

describe('engine/remote/address', () => {
  for (const [url, address] of Object.entries({
    'grpcs://cache.example': { target: 'dns:cache.example:443', tls: true, isLocal: false },
    'grpcs://cache.example:8443/': { target: 'dns:cache.example:8443', tls: true, isLocal: false },
    'grpc://cache.example': { target: 'dns:cache.example:80', tls: false, isLocal: false },
    'grpc://127.0.0.1:9092': { target: 'dns:127.0.0.1:9092', tls: false, isLocal: true },
    'grpc://127.0.0.1.example:9092': { target: 'dns:127.0.0.1.example:9092', tls: false, isLocal: false },
    'grpc://localhost:9092': { target: 'dns:localhost:9092', tls: false, isLocal: true },
    'grpc://[::1]:9092': { target: 'dns:[::1]:9092', tls: false, isLocal: true },
    'grpcs://[2001:db8::1]': { target: 'dns:[2001:db8::1]:443', tls: true, isLocal: false },
    'unix:/run/cache.sock': { target: 'unix:/run/cache.sock', tls: false, isLocal: true },
    'unix:///run/cache.sock': { target: 'unix:/run/cache.sock', tls: false, isLocal: true },
  })) {
    it(`takes ${url} apart`, () => {
      expect(checkAddress(url, true).ok).to.equal(true);
      expect(addressOf(url)).to.deep.equal(address);
    });
  }
});
