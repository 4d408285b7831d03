// The only importer of undici and @peculiar/x509. The build puts it into a bundle, which is loaded with the gateway.

import 'reflect-metadata';

export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
export { Agent, buildConnector, EnvHttpProxyAgent, request } from 'undici';
export type { Dispatcher } from 'undici';
