// Variables that tell programs which certificates to trust.

/** They name files or folders; SSL_CERT_DIR may be a list of folders. */
export const CERTIFICATE_VARIABLES: readonly string[] = [
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'PIP_CERT',
  'REQUESTS_CA_BUNDLE',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
];
