// Searches the outputs of a node for secrets while they are read to be stored: bytes of files, names, link targets, values.

import { shownPath, someOf } from '../files/shown-path.js';
import type { JSONValue } from '../../manifests/json-schema.js';
import { FailureError, type Failure } from '../failure.js';
import type { ValueTracer } from './app-values.js';
import { Matcher, START, type Progress } from './matcher.js';
import { isPlainWords, isUserName, needlesForOutputs, type SecretValue } from './secret-values.js';

/** Gets the bytes of one file in order before they are stored; throws a `FailureError`. Each call starts from the beginning. */
export type Watch = () => (bytes: Uint8Array) => void;

/** Which secrets a node may store. */
interface Allowance {
  readonly node: string;
  /** Names of secrets that the node or one of its ancestors may store. */
  readonly mayStore: ReadonlySet<string>;
  /** Variables that the node got openly. */
  readonly env: ReadonlySet<string>;
}

/** Made once per run, since all nodes are searched for the same secrets. */
export class OutputSecrets {
  readonly #matcher: Matcher | undefined;

  constructor(private readonly values: readonly SecretValue[]) {
    const needles = needlesForOutputs(values);
    this.#matcher = needles.length === 0 ? undefined : new Matcher(needles);
  }

  /** `tracer` sees the same bytes and texts. */
  for(allowance: Allowance, tracer?: ValueTracer): OutputScanner {
    return new OutputScanner(this.values, this.#matcher, allowance, tracer);
  }
}

export class OutputScanner {
  /** Name of the secret -> places where it was found. */
  readonly #notices = new Map<string, string[]>();

  constructor(
    private readonly values: readonly SecretValue[],
    private readonly matcher: Matcher | undefined,
    private readonly allowance: Allowance,
    private readonly tracer?: ValueTracer,
  ) {}

  /** Findings that do not fail the node, because the value may be there by chance. */
  get notices(): readonly string[] {
    return [...this.#notices].map(
      ([name, places]) =>
        `The output of the node contains the value of the secret ${name}: ${someOf([...places].sort(), SHOWN_PLACES)}.`,
    );
  }

  /** Whether the run has a secret to search for. */
  get isActive(): boolean {
    return this.matcher !== undefined;
  }

  /** Undefined if a file of this name needs no search. */
  file(path: string): Watch | undefined {
    const isVersioned = VERSIONED.test(path);
    const { matcher, tracer } = this;
    if (matcher === undefined && !isVersioned && tracer === undefined) return undefined;
    return () => {
      let progress: Progress = START;
      let tail = '';
      const trace = tracer?.watch();
      return (bytes) => {
        trace?.(bytes);
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
    if (this.matcher !== undefined || this.tracer !== undefined) this.#text(JSON.stringify(value), where);
  }

  #text(text: string, where: string): void {
    this.tracer?.text(text);
    const hits = this.matcher?.scan(Buffer.from(text)).hits;
    if (hits !== undefined) this.#judge(hits, where);
  }

  #judge(hits: ReadonlySet<number>, where: string): void {
    const { node, mayStore, env } = this.allowance;
    for (const index of hits) {
      const { name, value, role } = this.values[index]!;
      if (mayStore.has(name) || (role === 'login' && env.has(name))) continue;
      if (!isPlainWords(value.trim())) throw new FailureError(secretInOutput(node, name, where, role));
      // A user name may be any word.
      if (isUserName(name)) continue;
      const places = this.#notices.get(name);
      if (places === undefined) this.#notices.set(name, [where]);
      else if (!places.includes(where)) places.push(where);
    }
  }

  /** Returns the end of the text, in which a login may begin. */
  #checkLogins(path: string, text: string): string {
    for (const [, user = '', password = ''] of text.matchAll(LOGIN)) {
      const isReal = password === '' ? looksLikeToken(user) : !isPlaceholder(password);
      if (isReal) throw new FailureError(loginInOutput(this.allowance.node, path));
    }
    return text.slice(-LONGEST_LOGIN);
  }
}

/** Files in which version control and installers record the URL of a download. */
const VERSIONED =
  /(^|\/)(\.git\/(.*\/)?(config|FETCH_HEAD|packed-refs|logs\/.+)|[^/]+\.git\/(config|FETCH_HEAD|packed-refs)|\.gitmodules|\.git-credentials|\.hg\/hgrc|[^/]+\.dist-info\/direct_url\.json|origin\.json)$/;
const LOGIN = /[a-z][a-z0-9+.-]{0,30}:\/\/([^/?#\s"'<>:@]*)(?::([^/?#\s"'<>@]+))?@/gi;
const LONGEST_LOGIN = 1024;
const SHOWN_PLACES = 3;

const isPlaceholder = (password: string): boolean =>
  /^(\*+|x+|(%2A)+|\$\{?\w+\}?|\$%7B\w+%7D|<.*>)$/i.test(password) || /^(oauth2|x-oauth-basic|git)$/i.test(password);
/** In `https://ada@example.org` it is an ordinary user name. */
const looksLikeToken = (user: string): boolean => user.length >= 20 && /\d/.test(user) && /[a-z]/i.test(user);

const secretInOutput = (node: string, name: string, where: string, role: SecretValue['role']): Failure => ({
  code: 'node::secret-in-output',
  blame: 'app',
  title: `The output of node ${node} contains the value of ${name}`,
  detail: `pyflow found it in ${where}. It stored nothing of the node, because others can read the slug and the cache.`,
  remedy: [
    'Read the value when the app runs instead of writing it to a file, a name or an output.',
    ...(role === 'declared'
      ? [`If the output must contain it, allow that for the node: \`secrets: [{ name: ${name}, mayStore: true }]\`.`]
      : ['If it is part of a URL, pass the login in a variable that the tool reads instead of in the URL.']),
  ].join('\n'),
});

const loginInOutput = (node: string, path: string): Failure => ({
  code: 'node::secret-in-output',
  blame: 'app',
  title: `The output of node ${node} contains a login`,
  detail: `The file ${shownPath(path)} contains a URL with a password or token. pyflow stored nothing of the node.`,
  remedy: [
    "Remove the file when it is no longer needed (a slug doesn't need a .git folder).",
    'Pass the login in a variable or with a credential helper instead of in the URL.',
  ].join('\n'),
});
