// Addresses of indexes, as the policy compares and shows them: without logins and without a slash at the end.

import { cleanText } from '../files/clean-text.js';

interface Address {
  readonly origin: string;
  /** Without a slash at its end. */
  readonly path: string;
}

const LONGEST_SHOWN = 200;

function read(text: string): Address | undefined {
  if (!URL.canParse(text)) return undefined;
  const { origin, pathname } = new URL(text);
  return { origin, path: pathname.replace(/(?<!\/)\/+$/, '') };
}

/** Addresses, each of which stands for everything below it. */
export class AddressSet {
  readonly #byOrigin = new Map<string, string[]>();
  /** The files of a page all come from the same address. */
  #last: { readonly address: string; readonly has: boolean } | undefined;

  constructor(readonly addresses: readonly string[]) {
    for (const address of addresses.map(read)) {
      if (address === undefined) continue;
      const known = this.#byOrigin.get(address.origin);
      if (known === undefined) this.#byOrigin.set(address.origin, [address.path]);
      else known.push(address.path);
    }
  }

  has(address: string): boolean {
    if (this.#last?.address !== address) this.#last = { address, has: this.#finds(read(address)) };
    return this.#last.has;
  }

  #finds(address: Address | undefined): boolean {
    const paths = address && this.#byOrigin.get(address.origin);
    return paths?.some((path) => address?.path === path || address?.path.startsWith(`${path}/`) === true) === true;
  }
}

export function shownAddress(address: string): string {
  const url = read(address);
  return (url === undefined ? cleanText(address) : `${url.origin}${url.path}`).slice(0, LONGEST_SHOWN);
}
