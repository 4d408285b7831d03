// Finds in an installer's log which git host could not be reached. pip, Pipenv and uv run git and ssh; Poetry has its own
// implementation of the protocol.

import type { Trouble } from './install-log-patterns.js';

interface GitTrouble {
  readonly kind: Trouble;
  readonly line: string;
  /** `git.example.com`, with the port if the URL has one. */
  readonly host: string;
}

/** The first match decides the kind. Other lines are responses of the host (a missing repository, a login). */
const REASONS: readonly (readonly [Trouble, RegExp])[] = [
  ['proxy', /proxy|CONNECT tunnel failed/i],
  ['timeout', /timed out|Timeout was reached|Operation too slow/i],
  [
    'unreachable',
    /Could not resolve|Failed to resolve|Failed to connect|Couldn't connect|Connection (?:refused|reset|closed)|No route to host|is unreachable|not known|failure in name resolution|No address associated|Empty reply|Recv failure|Send failure|unexpectedly closed|Failed to establish|closed abruptly/i,
  ],
  ['server-error', /returned error: (?:5\d\d|429)\b|http resp (?:5\d\d|429)\b/],
  ['tls', /SSL|TLS|certificate/],
  ['cut-off', /early EOF|hung up|transfer closed|RPC failed|IncompleteRead|Connection broken/i],
];

interface Source {
  readonly pattern: RegExp;
  readonly host: (match: RegExpExecArray) => string;
  readonly reason: (match: RegExpExecArray) => string;
}

const SOURCES: readonly Source[] = [
  {
    pattern: /^fatal: unable to access '[a-z+]+:\/\/(?:[^/'@]*@)?([^/']+)[^']*': (.*)$/,
    host: (match) => match[1]!,
    reason: (match) => match[2]!,
  },
  { pattern: /^ssh: Could not resolve hostname ([^\s:]+): /, host: (match) => match[1]!, reason: (match) => match[0] },
  {
    pattern: /^ssh: connect to host (\S+) port (\d+): (.*)$/,
    host: (match) => (match[2] === '22' ? match[1]! : `${match[1]}:${match[2]}`),
    reason: (match) => match[3]!,
  },
  {
    pattern:
      /^(?:kex_exchange_identification: )?Connection (?:closed|reset|timed out) by (?:remote host )?(\S+) port \d+/,
    host: (match) => match[1]!,
    reason: (match) => match[0],
  },
  {
    pattern: /^fatal: (?:unable to (?:look up|connect to)|Unable to look up) ([^\s:()]+)(.*)$/,
    host: (match) => match[1]!,
    // For git:// the reason is in the lines below.
    reason: (match) => `Failed to connect ${match[2]}`,
  },
  {
    pattern: /^HTTPS?ConnectionPool\(host='([^']+)', port=(\d+)\): (.*git-(?:upload|receive)-pack.*)$/,
    host: (match) => (match[2] === '443' || match[2] === '80' ? match[1]! : `${match[1]}:${match[2]}`),
    reason: (match) => match[3]!,
  },
  {
    pattern: /^unexpected http resp \d+ for [a-z+]+:\/\/(?:[^/@]*@)?([^/\s]+)/,
    host: (match) => match[1]!,
    reason: (match) => match[0],
  },
];

/** git does not name the host if a transfer breaks off. */
const BROKEN_OFF = /^(?:error: RPC failed|fatal: (?:the remote end hung up unexpectedly|early EOF|fetch-pack))/;
const CLONED = /(?:Cloning|git clone .*?|Updating|git fetch .*?) '?[a-z+]+:\/\/(?:[^/'@\s]*@)?([^/'\s]+)/;

export function gitTrouble(lines: readonly string[]): GitTrouble | undefined {
  for (const line of lines.map((text) => text.trim())) {
    for (const { pattern, host, reason } of SOURCES) {
      const match = pattern.exec(line);
      const kind = match === null ? undefined : kindOf(reason(match));
      if (match !== null && kind !== undefined) return { kind, line, host: host(match) };
    }
  }
  const broken = lines.find((line) => BROKEN_OFF.test(line.trim()))?.trim();
  const cloned = lines.findLast((line) => CLONED.test(line));
  const host = cloned === undefined ? undefined : CLONED.exec(cloned)?.[1];
  return broken === undefined || host === undefined ? undefined : { kind: 'cut-off', line: broken, host };
}

const kindOf = (reason: string): Trouble | undefined => REASONS.find(([, pattern]) => pattern.test(reason))?.[0];
