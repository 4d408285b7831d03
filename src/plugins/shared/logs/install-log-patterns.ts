// Patterns for the output of failed installers: known causes with their remedies, and signs of a network problem.

export interface KnownCause {
  /** Id of the behavior in docs/parity.md. */
  readonly id: string;
  readonly pattern: RegExp;
  /** The text by which platforms count these failures. */
  readonly subject: string;
  readonly title: string;
  readonly remedy: string;
}

/** Only the first match is shown, in this order. */
export const KNOWN_CAUSES: readonly KnownCause[] = [
  {
    id: 'hint.gdal',
    pattern: /could not find gdal-config|gdal-config: (command )?not found|No such file or directory: '?gdal-config/i,
    subject: 'Could not find gdal-config',
    title: 'A package needs the GDAL library, which is missing',
    remedy: 'Add a buildpack that provides GDAL (geo) before this one, or remove the package that needs it.',
  },
  {
    id: 'hint.sqlite',
    pattern: /sqlite3\.h: No such file or directory/,
    subject: 'sqlite3.h: No such file or directory',
    title: 'A package needs the headers of SQLite, which are missing',
    remedy:
      "Use the standard library's `sqlite3` module, or a package that includes SQLite (`pysqlite3` 0.6.0 or newer).",
  },
  {
    id: 'hint.pip-metadata',
    pattern: /Please use pip<24\.1 if you need to use this version/,
    subject: 'Please use pip<24.1 if you need to use this version',
    title: 'A package has metadata that pip no longer accepts',
    remedy: 'Upgrade the package that the log names. Newer versions have valid metadata (Celery from 5.2.1 on).',
  },
];

export type Trouble = 'tls' | 'proxy' | 'timeout' | 'unreachable' | 'server-error' | 'cut-off' | 'disk-full';

/** The same for the host of a git repository. */
export const gitTroubleTitle = (trouble: Trouble, host: string): string =>
  TROUBLE_TITLES[trouble]
    .replace('the package index', `the git host ${host}`)
    .replace('a download', `a clone from ${host}`);

/** The title of each kind of trouble. */
export const TROUBLE_TITLES: Readonly<Record<Trouble, string>> = {
  tls: 'the TLS connection failed',
  proxy: 'the connection through the proxy failed',
  timeout: 'the package index did not respond in time',
  unreachable: 'the package index could not be reached',
  'server-error': 'the package index reported a server error',
  'cut-off': 'a download was cut off',
  'disk-full': 'no space is left on the disk',
};

interface TroublePattern {
  readonly trouble: Trouble;
  readonly pattern: RegExp;
}

/** The installer gave up because of these. Matched against lines without leading blanks. */
export const FATAL_TROUBLE: readonly TroublePattern[] = [
  { trouble: 'tls', pattern: /^error: ssl-verification-failed$/ },
  { trouble: 'proxy', pattern: /^error: proxy-connection-failed$/ },
  { trouble: 'timeout', pattern: /^error: connection-timeout$/ },
  { trouble: 'unreachable', pattern: /^error: connection-failed$/ },
  { trouble: 'cut-off', pattern: /^error: incomplete-download$/ },
  { trouble: 'server-error', pattern: /^ERROR: HTTP error (5\d\d|429) while getting / },
  {
    trouble: 'unreachable',
    pattern:
      /^(ERROR|fatal): .*(Could not resolve host|Temporary failure in name resolution|Name or service not known|Connection refused|Connection reset by peer|Network is unreachable|No route to host)/,
  },
  { trouble: 'timeout', pattern: /^(ERROR|fatal): .*(timed out|Connection timed out)/ },
  { trouble: 'disk-full', pattern: /No space left on device|\[Errno 28\]/ },
  {
    trouble: 'cut-off',
    // Pipenv contains a copy of pip.
    pattern: /^(pipenv\.patched\.)?pip\._vendor\.urllib3\.exceptions\.(ProtocolError|IncompleteRead)\b/,
  },
];

/**
 * uv prints errors as a tree of causes, whose lines begin with one of these. It retries temporary errors, so these are final.
 */
const UV_CAUSE = '^(×|├─▶|╰─▶|error:|Caused by:) .*';

/** The same for uv. */
export const UV_TROUBLE: readonly TroublePattern[] = [
  {
    trouble: 'tls',
    pattern: new RegExp(`${UV_CAUSE}(invalid peer certificate|certificate verify failed|received corrupt message)`),
  },
  { trouble: 'proxy', pattern: new RegExp(`${UV_CAUSE}(tunnel error|proxy (authentication|authorization) required)`) },
  { trouble: 'timeout', pattern: new RegExp(`${UV_CAUSE}(timed out|network timeout|deadline has elapsed)`) },
  { trouble: 'server-error', pattern: new RegExp(`${UV_CAUSE}HTTP status (server|client) error \\((5\\d\\d|429) `) },
  {
    trouble: 'unreachable',
    pattern: new RegExp(
      `${UV_CAUSE}(Connection refused|Connection reset|connection closed before message completed|dns error|failed to lookup address|Network is unreachable|No route to host)`,
    ),
  },
  {
    trouble: 'cut-off',
    pattern: new RegExp(
      `${UV_CAUSE}(end of file before message length reached|unexpected end of file|error decoding response body)`,
    ),
  },
  // All other connection errors.
  { trouble: 'unreachable', pattern: new RegExp(`${UV_CAUSE}client error \\((Connect|SendRequest)\\)`) },
];

/** The same for Poetry, which also retries, and whose log ends with the line of the exception. */
export const POETRY_TROUBLE: readonly TroublePattern[] = [
  { trouble: 'timeout', pattern: /^HTTPS?ConnectionPool\(.*Read timed out/ },
  { trouble: 'server-error', pattern: /^(5\d\d Server|429 Client) Error: / },
  { trouble: 'unreachable', pattern: /^All attempts to connect to \S+ failed\.$/ },
  { trouble: 'cut-off', pattern: /^\(?'?(Connection broken: )?IncompleteRead\(/ },
];

/**
 * Warnings during the install. They count only if the installer then found no version of a package, because it treats an
 * unreadable index like an empty one. Otherwise a later attempt succeeded and something else failed.
 */
export const PASSING_TROUBLE: readonly TroublePattern[] = [
  { trouble: 'tls', pattern: /SSLError|CERTIFICATE_VERIFY_FAILED|confirming the ssl certificate|\[SSL:/ },
  { trouble: 'proxy', pattern: /ProxyError|Cannot connect to proxy|Tunnel connection failed/ },
  { trouble: 'timeout', pattern: /ReadTimeout|ConnectTimeout|Read timed out|connect timeout/ },
  {
    trouble: 'server-error',
    pattern: /(5\d\d|429) (Server|Client) Error|HTTP error (5\d\d|429)|too many (5\d\d|429) error responses/,
  },
  {
    trouble: 'unreachable',
    pattern:
      /NewConnectionError|NameResolutionError|Failed to establish a new connection|Connection refused|Connection reset|Connection aborted|RemoteDisconnected|closed without a reply|name resolution|Name or service not known|Network is unreachable|No route to host/,
  },
  { trouble: 'cut-off', pattern: /IncompleteRead|ProtocolError|IncompleteDownload/ },
];

/** The installer gave up on a request. PASSING_TROUBLE matches the reason in the same line. */
export const GAVE_UP =
  /^ERROR: Could not install (packages due to an OSError: HTTPS?ConnectionPool|requirement .* because of HTTP error )/;

/** The installer found no version at all. The first group is the name of the package. */
export const NOTHING_FOUND =
  /^ERROR: (?:No matching distribution found for |Could not find a version that satisfies the requirement (?=.*\(from versions: none\)))([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)/;

/** An error line of an installer. */
export const ERROR_LINE = /^((ERROR|error|fatal|hint|Caused by): |[×├╰│]|The conflict is caused by:$)/;

/** Error lines that continue in the indented lines below, which name the packages. */
export const GOES_ON =
  /^(The conflict is caused by:$|ERROR: (?:Hashes are required |Can't verify hashes for |In --require-hashes mode, )|[├╰]─▶ Because )/;

/** Error lines that don't contain the cause. */
export const SAYS_NOTHING =
  /^(?:error: (?:subprocess-exited-with-error|metadata-generation-failed|failed-wheel-build-for-install)|hint: (?:See above for details\.|Build failures usually indicate .*)|[╰├]─> (?:No available output\.|\[\d+ lines? of output\])|│ exit code: \d+|[├╰]─▶ (?:failed to (?:clone|fetch) into: .*|The build backend returned an error)|Caused by: (?:failed to (?:clone|fetch) into: .*|The build backend returned an error)|ERROR: metadata generation failed|ERROR: Exception:)$/;

/** A file of the index doesn't match its locked digest. */
export const WRONG_DIGEST =
  /DO NOT MATCH THE HASHES|^Hash for .* not found in known hashes |did not match any known checksums in your lock file|^(×|├─▶|╰─▶|error:|Caused by:) Hash mismatch for /;

/** An index requires a login, or rejected it. */
export const LOGIN_REFUSED =
  /HTTP error 40[13] while getting |Authorization error accessing |WARNING: 40[13] Error, Credentials not correct|40[13] Client Error: |HTTP status client error \(40[13] |lack of valid authentication credentials/;
