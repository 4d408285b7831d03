// Reads the files that the settings of the remote cache name: certificates of TLS, and the ed25519 keys of signed results.

import { createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { readOperatorText } from '../files/operator-file.js';
import { shownPath } from '../files/shown-path.js';
import { unreadableFile, unusableKey } from './settings-failures.js';

/** Contents of PEM files. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** `what` completes the sentence "pyflow can't read ...". */
export function readOperatorFile(path: string, what: string): Result<string, Failure> {
  const text = readOperatorText(path);
  return text.ok ? text : fail(unreadableFile(what, path, text.failure));
}

type Place = (path: string) => string;

export function tlsOf({ ca, cert, key }: TlsFiles, at: Place): Result<TlsFiles, Failure> {
  if ((cert === undefined) !== (key === undefined)) {
    const [has, lacks] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    return fail(unusableKey('the TLS settings', `\`tls\` has \`${has}\`, but no \`${lacks}\`.`, `Add \`${lacks}\`.`));
  }
  const read: Record<string, string> = {};
  for (const [name, path] of Object.entries({ ca, cert, key })) {
    if (path === undefined) continue;
    const text = readKeyFile(path, at, `the TLS file \`${name}\``);
    if (!text.ok) return text;
    read[name] = text.value;
  }
  const problem = tlsProblem(read);
  return problem === undefined ? succeed(read) : fail(problem);
}

function tlsProblem({ ca, cert, key }: TlsFiles): Failure | undefined {
  for (const [name, text] of Object.entries({ ca, cert })) {
    if (text !== undefined && certificateOf(text) === undefined)
      return unusableKey(`the TLS file \`${name}\``, 'It holds no certificate.', 'Name a PEM file that does.');
  }
  if (cert === undefined || key === undefined) return undefined;
  const own = readKey(() => createPrivateKey(key));
  if (own === undefined)
    return unusableKey('the TLS file `key`', NO_PRIVATE_KEY, 'Name a PEM file with a key that has no passphrase.');
  return certificateOf(cert)!.checkPrivateKey(own)
    ? undefined
    : unusableKey(
        'the TLS files',
        '`key` is not the key of the certificate in `cert`.',
        'Name files that belong together.',
      );
}

const NO_PRIVATE_KEY = 'It holds no private key, or one that is protected by a passphrase.';

function certificateOf(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

function readKey(read: () => KeyObject): KeyObject | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The beginning of every ed25519 key in DER, in base64. */
const DER_OF_ED25519 = /^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/;
const HOW_TO_MAKE =
  'Make a pair with `openssl genpkey -algorithm ed25519 -out sign.pem` and `openssl pkey -in sign.pem -pubout -out trust.pem`.';

/** `given` is a PEM text, the base64 of one without its first and last line, or the name of a file. */
export function publicKeyOf(given: string, at: Place): Result<KeyObject, Failure> {
  const trimmed = given.trim();
  if (DER_OF_ED25519.test(trimmed))
    return publicKeyIn(`-----BEGIN PUBLIC KEY-----\n${trimmed}\n-----END PUBLIC KEY-----\n`);
  if (trimmed.startsWith('-----BEGIN')) return publicKeyIn(trimmed);
  const text = readKeyFile(given, at, 'a public key of `trust`');
  return text.ok ? publicKeyIn(text.value, shownPath(at(given))) : text;
}

function publicKeyIn(text: string, where = 'A text in `trust`'): Result<KeyObject, Failure> {
  // Node would derive the public key from a private one, which must not be in the settings of readers.
  const isPrivate = text.includes('PRIVATE KEY');
  const key = isPrivate ? undefined : readKey(() => createPublicKey(text));
  if (key?.asymmetricKeyType === 'ed25519') return succeed(key);
  const why = isPrivate
    ? 'is a private key'
    : key === undefined
      ? 'is no public key in PEM'
      : `is a key for ${key.asymmetricKeyType}, not for ed25519`;
  return fail(unusableKey('a public key of `trust`', `${where} ${why}.`, HOW_TO_MAKE));
}

export function privateKeyOf(path: string, at: Place): Result<KeyObject, Failure> {
  const what = 'the key of `sign`';
  const text = readKeyFile(path, at, what);
  if (!text.ok) return text;
  const key = readKey(() => createPrivateKey(text.value));
  if (key?.asymmetricKeyType === 'ed25519') return succeed(key);
  const why = key === undefined ? NO_PRIVATE_KEY : `It is a key for ${key.asymmetricKeyType}, not for ed25519.`;
  return fail(unusableKey(what, `${shownPath(at(path))}: ${why}`, HOW_TO_MAKE));
}

/** A key in the place of a file name must not be shown. */
function readKeyFile(path: string, at: Place, what: string): Result<string, Failure> {
  if (!path.includes('\n') && !path.includes('-----') && path.length < 1000) return readOperatorFile(at(path), what);
  const why = 'The settings have a text in the place of a file name.';
  return fail(unusableKey(what, why, 'Write the text to a file that only you can read, and name the file.'));
}
