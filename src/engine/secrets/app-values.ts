// Finds the values of app variables in what a node leaves. Unlike a secret, such a value fails nothing: it only keeps on this machine
// what is made from it.

import { Matcher, START, type Progress } from './matcher.js';
import { loginsOf, needlesForTraces, type SecretValue } from './secret-values.js';

/** The variables of one run. */
export class AppValues {
  readonly #matchers = new Map<string, Matcher | undefined>();

  /** `open`: values that are no secret of the app, because they stand in the pipeline file, and so in keys. */
  constructor(
    private readonly variables: Readonly<Record<string, string>>,
    private readonly open: () => ReadonlySet<string>,
  ) {}

  /** Undefined if none of the variables has a value that can be searched for. */
  tracerFor(names: Iterable<string>): ValueTracer | undefined {
    const isSet = (name: string): boolean => this.variables[name] !== undefined;
    const own = [...new Set(names)].filter(isSet).sort();
    if (own.length === 0) return undefined;
    const id = JSON.stringify(own);
    if (!this.#matchers.has(id)) this.#matchers.set(id, this.#matcherFor(own));
    const matcher = this.#matchers.get(id);
    return matcher === undefined ? undefined : new ValueTracer(matcher);
  }

  #matcherFor(names: readonly string[]): Matcher | undefined {
    const open = this.open();
    const values = names.flatMap((name) => valuesOf(name, this.variables[name]!));
    const needles = needlesForTraces(values.filter(({ value }) => !open.has(value.trim())));
    return needles.length === 0 ? undefined : new Matcher(needles);
  }
}

/** The value, and the passwords in it if it is a URL. */
const valuesOf = (name: string, value: string): readonly SecretValue[] =>
  [value, ...loginsOf(value)].map((each) => ({ name, value: each, role: 'shown' }));

/** Sees what one node leaves, and remembers whether a value was in it. */
export class ValueTracer {
  #hasFound = false;

  constructor(private readonly matcher: Matcher) {}

  get hasFound(): boolean {
    return this.#hasFound;
  }

  /** For the bytes of one file, in order. */
  watch(): (bytes: Uint8Array) => void {
    let progress: Progress = START;
    return (bytes) => {
      // One value is enough.
      if (this.#hasFound) return;
      const scanned = this.matcher.scan(bytes, progress);
      progress = scanned.progress;
      this.#hasFound = scanned.hits !== undefined;
    };
  }

  text(text: string): void {
    this.#hasFound ||= this.matcher.scan(Buffer.from(text)).hits !== undefined;
  }
}
