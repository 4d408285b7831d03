// Looks for secrets in what a node leaves, while it is read to be stored: bytes of files, names, targets of links, values.

import { shownPath } from '../files/shown-path.js';
import type { JSONValue } from '../../manifests/json-schema.js';
import { FailureError, type Failure } from '../failure.js';
import { Matcher, START, type Progress } from './matcher.js';
import { isPlainWords, isUserName, needlesForOutputs, type SecretValue } from './secret-values.js';

/** Sees the bytes of one file in order, before they are stored; throws a `FailureError`. Each call begins a new reading. */
export type Watch = () => (bytes: Uint8Array) => void;

/** What a node may store of secrets. */
interface Allowance {
  readonly node: string;
  /** Names of secrets that the node, or one before it, may store. */
  readonly mayStore: ReadonlySet<string>;
  /** Variables that the node was handed openly. */
  readonly env: ReadonlySet<string>;
}

/** Made once a run: what is looked for is the same for all nodes. */
export class OutputSecrets {
  readonly #matcher: Matcher | undefined;

  constructor(private readonly values: readonly SecretValue[]) {
    const needles = needlesForOutputs(values);
    this.#matcher = needles.length === 0 ? undefined : new Matcher(needles);
  }

  for(allowance: Allowance): OutputScanner {
    return new OutputScanner(this.values, this.#matcher, allowance);
  }
}

export class OutputScanner {
  /** Name of the secret -> where it was found. */
  readonly #notices = new Map<string, string[]>();

  constructor(
    private readonly values: readonly SecretValue[],
    private readonly matcher: Matcher | undefined,
    private readonly allowance: Allowance,
  ) {}

  /** What was found that does not fail the node: a value that may stand there by chance. */
  get notices(): readonly string[] {
    return [...this.#notices].map(
      ([name, places]) => `The value of the secret ${name} stands in what the node leaves: ${placesOf(places)}.`,
    );
  }

  /** Whether the run has any secret that is looked for. */
  get isActive(): boolean {
    return this.matcher !== undefined;
  }

  /** Undefined when nothing can be found in a file of this name. */
  file(path: string): Watch | undefined {
    const isVersioned = VERSIONED.test(path);
    const { matcher } = this;
    if (matcher === undefined && !isVersioned) return undefined;
    return () => {
      let progress: Progress = START;
      let tail = '';
      return (bytes) => {
        if (isVersioned) tail = this.#checkLogins(path, tail + Buffer.from(bytes).toString('latin1'));
        if (matcher === undefined) return;
        const scanned = matcher.scan(bytes, progress);
        progress = scanned.progress;
        if (scanned.hits !== undefined) this.#judge(scanned.hits, `the file ${shownPath(path)}`);
      };
    };
  }

  /** The name of a file or folder with its parents, and the target of a link. */
  entry(path: string, target?: string): void {
    this.#text(path, 'the name of a file or folder');
    if (target !== undefined) this.#text(target, `the target of the link ${shownPath(path)}`);
  }

  value(value: JSONValue, where: string): void {
    if (this.matcher !== undefined) this.#text(JSON.stringify(value), where);
  }

  #text(text: string, where: string): void {
    const hits = this.matcher?.scan(Buffer.from(text)).hits;
    if (hits !== undefined) this.#judge(hits, where);
  }

  #judge(hits: ReadonlySet<number>, where: string): void {
    const { node, mayStore, env } = this.allowance;
    for (const index of hits) {
      const { name, value, role } = this.values[index]!;
      if (mayStore.has(name) || (role === 'login' && env.has(name))) continue;
      if (!isPlainWords(value.trim())) throw new FailureError(secretInOutput(node, name, where, role));
      // The name of a user may be any word.
      if (isUserName(name)) continue;
      const places = this.#notices.get(name);
      if (places === undefined) this.#notices.set(name, [where]);
      else if (!places.includes(where)) places.push(where);
    }
  }

  /** Gives what a login may begin in. */
  #checkLogins(path: string, text: string): string {
    for (const [, user = '', password = ''] of text.matchAll(LOGIN)) {
      const isReal = password === '' ? looksLikeToken(user) : !isPlaceholder(password);
      if (isReal) throw new FailureError(loginInOutput(this.allowance.node, path));
    }
    return text.slice(-LONGEST_LOGIN);
  }
}

/** Where version control and installers note the URL that something came from. */
const VERSIONED =
  /(^|\/)(\.git\/(.*\/)?(config|FETCH_HEAD|packed-refs|logs\/.+)|[^/]+\.git\/(config|FETCH_HEAD|packed-refs)|\.gitmodules|\.git-credentials|\.hg\/hgrc|[^/]+\.dist-info\/direct_url\.json|origin\.json)$/;
const LOGIN = /[a-z][a-z0-9+.-]{0,30}:\/\/([^/?#\s"'<>:@]*)(?::([^/?#\s"'<>@]+))?@/gi;
const LONGEST_LOGIN = 1024;
const SHOWN_PLACES = 3;

const isPlaceholder = (password: string): boolean =>
  /^(\*+|x+|(%2A)+|\$\{?\w+\}?|\$%7B\w+%7D|<.*>)$/i.test(password) || /^(oauth2|x-oauth-basic|git)$/i.test(password);
/** `https://ada@example.org` names a user. */
const looksLikeToken = (user: string): boolean => user.length >= 20 && /\d/.test(user) && /[a-z]/i.test(user);

const placesOf = (places: readonly string[]): string => {
  const more = places.length - SHOWN_PLACES;
  const shown = [...places].sort().slice(0, SHOWN_PLACES).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
};

const secretInOutput = (node: string, name: string, where: string, role: SecretValue['role']): Failure => ({
  code: 'node::secret-in-output',
  blame: 'app',
  title: `Node ${node} leaves the value of ${name} in its output`,
  detail: `It was found in ${where}. Nothing of the node is stored, since the slug and the cache are read by others.`,
  remedy: [
    'Read the value when the app runs, instead of writing it into a file, a name or an output.',
    ...(role === 'declared'
      ? [`If it is meant to be there, allow it for the node: secrets: [{ name: ${name}, mayStore: true }].`]
      : ['If it came with a URL, give the login in a variable that the tool reads, not in the URL.']),
  ].join('\n'),
});

const loginInOutput = (node: string, path: string): Failure => ({
  code: 'node::secret-in-output',
  blame: 'app',
  title: `Node ${node} leaves a login in its output`,
  detail: `The file ${shownPath(path)} holds a URL with a password or token. Nothing of the node is stored.`,
  remedy: [
    'Remove the file once it is not needed (a .git folder is of no use in a slug).',
    'Give the login by a variable or a credential helper instead of in the URL.',
  ].join('\n'),
});
