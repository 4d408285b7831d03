// Addresses of the machine itself. The gateway connects from outside the sandbox, so an index or a page that an app chooses could
// otherwise lead it to services that only this machine reaches, such as those that give credentials to virtual machines.

import { BlockList, isIP, type LookupFunction } from 'node:net';
import { lookup } from 'node:dns';
import { networkInterfaces } from 'node:os';

/** Never an index: addresses of the link, where clouds have their metadata. */
const LINK = new BlockList();
LINK.addSubnet('169.254.0.0', 16, 'ipv4');
LINK.addSubnet('fe80::', 10, 'ipv6');
LINK.addAddress('fd00:ec2::254', 'ipv6');

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addSubnet('0.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
LOOPBACK.addAddress('::', 'ipv6');

export class OwnAddresses {
  readonly #own = new BlockList();

  /** `ports`: on addresses of this machine, because the operator named them. */
  constructor(private readonly ports: readonly number[]) {
    for (const { address, family, internal } of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
      if (!internal) this.#own.addAddress(address.replace(/%.*/, ''), family === 'IPv6' ? 'ipv6' : 'ipv4');
  }

  /** Whether an app must not lead the gateway there. `address`: without brackets. */
  forbids(address: string, port: number): boolean {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (LINK.check(address, family)) return true;
    const isOwn = LOOPBACK.check(address, family) || this.#own.check(address, family);
    return isOwn && !this.ports.includes(port);
  }

  /** Fails if a name leads to such an address. The connection uses what was checked. */
  lookupFor(port: number): LookupFunction {
    return (hostname, options, callback) => {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        const allowed = error === null ? addresses.filter(({ address }) => !this.forbids(address, port)) : [];
        const [first] = allowed;
        if (error !== null) callback(error, '', 4);
        else if (first === undefined) callback(forbiddenAddress(hostname), '', 4);
        else if (options.all === true) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
    };
  }
}

const CODE = 'EFORBIDDEN';

export const forbiddenAddress = (host: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${host} is an address of this machine`), { code: CODE });

export const isForbiddenAddress = (error: unknown): boolean => {
  const { code, cause } = error as NodeJS.ErrnoException & { readonly cause?: NodeJS.ErrnoException };
  return code === CODE || cause?.code === CODE;
};
