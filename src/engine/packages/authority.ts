// Certificates of the package gateway: an authority made for one run, and a certificate for each host that it answers for. Private
// keys stay in this process.

import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import type * as LibrariesModule from './libraries.js';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';

type Libraries = typeof LibrariesModule;
type Certificate = Awaited<ReturnType<Libraries['X509CertificateGenerator']['create']>>;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** Hosts of a run are few; an app that names more only makes certificates again. */
const MOST_HOSTS = 500;

export class Authority {
  readonly #hosts = new Map<string, Promise<SecureContext>>();
  #serial = 1;

  private constructor(
    private readonly libraries: Libraries,
    private readonly keys: webcrypto.CryptoKeyPair,
    private readonly certificate: Certificate,
    private readonly privateKey: string,
    private readonly now: number,
  ) {}

  /** `now`: milliseconds since the epoch. */
  static async create(libraries: Libraries, now: number): Promise<Authority> {
    const keys = (await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension } = libraries;
    const { SubjectKeyIdentifierExtension, X509CertificateGenerator } = libraries;
    const certificate = await X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: 'CN=pyflow package gateway',
      ...validity(now),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    const exported = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    const privateKey = `-----BEGIN PRIVATE KEY-----\n${exported.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
    return new Authority(libraries, keys, certificate, privateKey, now);
  }

  /** The certificate of the authority, as PEM. */
  get pem(): string {
    return `${this.certificate.toString('pem').trimEnd()}\n`;
  }

  /** For a TLS server that answers as `host`, a host name or an IP address. */
  contextFor(host: string): Promise<SecureContext> {
    let context = this.#hosts.get(host);
    if (context === undefined) {
      if (this.#hosts.size >= MOST_HOSTS) this.#hosts.clear();
      this.#hosts.set(host, (context = this.#issue(host)));
    }
    return context;
  }

  async #issue(host: string): Promise<SecureContext> {
    const { libraries } = this;
    const { AuthorityKeyIdentifierExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension } = libraries;
    const { SubjectAlternativeNameExtension, SubjectKeyIdentifierExtension, X509CertificateGenerator } = libraries;
    this.#serial += 1;
    const certificate = await X509CertificateGenerator.create({
      serialNumber: this.#serial.toString(16).padStart(4, '0'),
      // Names may be too long for a common name, and clients read the extension only.
      subject: 'CN=pyflow',
      issuer: this.certificate.subject,
      ...validity(this.now),
      signingAlgorithm: ALGORITHM,
      publicKey: this.keys.publicKey,
      signingKey: this.keys.privateKey,
      // Python 3.13 and later check certificates strictly by RFC 5280.
      extensions: [
        new SubjectAlternativeNameExtension([{ type: isIP(host) === 0 ? 'dns' : 'ip', value: host }]),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
        await AuthorityKeyIdentifierExtension.create(this.certificate),
        await SubjectKeyIdentifierExtension.create(this.keys.publicKey),
      ],
    });
    return createSecureContext({ cert: certificate.toString('pem'), key: this.privateKey, minVersion: 'TLSv1.2' });
  }
}

/** Clocks of a container and its machine can differ, and a build can take hours. */
const validity = (now: number) => ({ notBefore: new Date(now - DAY_MS), notAfter: new Date(now + 7 * DAY_MS) });

/** All certificates that Node trusts by default, as PEM, for programs that trust only one file. */
export const defaultCertificates = (): string => `${rootCertificates.join('\n')}\n`;
