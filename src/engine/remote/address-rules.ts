// Which addresses a remote cache may have: the scheme, no password, and TLS unless the address is on this machine.

import { fail, succeed, type Failure, type Result } from '../failure.js';
import { cleanText } from '../files/clean-text.js';
import { hideUserinfo, holdsUserinfo } from '../secrets/credentials.js';
import { badAddress } from './settings-failures.js';

const FORMS = 'Write grpcs://HOST:PORT, grpc://HOST:PORT or unix:/PATH.';

export function checkAddress(url: string, isInsecureAllowed: boolean): Result<undefined, Failure> {
  const shown = hideUserinfo(cleanText(url));
  const title = `The address of the remote cache is not valid: ${shown}`;
  if (holdsUserinfo(url)) {
    const detail = 'An address can be printed and logged, so it must not contain a user name or password.';
    const remedy = 'Put them into a header of the settings file: `headers: { authorization: "${{ env.NAME }}" }`.';
    return fail(badAddress({ title, detail, remedy }));
  }
  if (/^unix:(\/\/)?\/[^\0]+$/.test(url)) return succeed(undefined);
  const [, scheme = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(url) ?? [];
  if (scheme !== 'grpc' && scheme !== 'grpcs') {
    const likely = /^https?$/i.test(scheme)
      ? `Servers of this API speak gRPC: try grpc${/s$/i.test(scheme) ? 's' : ''}://${rest}. `
      : '';
    const detail = scheme === '' ? 'It has no scheme.' : `pyflow doesn't know the scheme ${scheme}.`;
    return fail(badAddress({ title, detail, remedy: `${hideUserinfo(cleanText(likely))}${FORMS}` }));
  }
  const host = hostOf(rest);
  if (host === undefined) {
    return fail(
      badAddress({ title, detail: 'After the scheme, it must have a host, and may have a port.', remedy: FORMS }),
    );
  }
  if (scheme === 'grpcs' || isInsecureAllowed || isLoopback(host)) return succeed(undefined);
  return fail(
    badAddress({
      title: `The remote cache ${shown} would be used without TLS`,
      detail: 'Anyone on the network could then read and replace results, and read the headers.',
      remedy: `Write grpcs://${rest}. If the network is trusted, set \`insecure: true\` in the settings file.`,
    }),
  );
}

/** Undefined unless the text is a host with an optional port. */
function hostOf(text: string): string | undefined {
  const [, host = '', port] = /^(\[[0-9a-f:.]+\]|[A-Za-z0-9_.-]{1,253})(?::(\d{1,5}))?\/?$/i.exec(text) ?? [];
  if (host === '' || (port !== undefined && (Number(port) === 0 || Number(port) > 65_535))) return undefined;
  return host;
}

export const isLoopback = (host: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[(::1|0*(:0*){6}:0*1)\])$/i.test(host);
