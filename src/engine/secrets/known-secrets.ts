// The secrets of one run, and how to hide them in texts, reports and records.

import type { JSONValue } from '../../manifests/json-schema.js';
import { withoutCredentials } from './credentials.js';
import type { Reason } from '../events.js';
import type { Failure } from '../failure.js';
import { OutputSecrets } from './output-scanner.js';
import { needlesForTexts, secretValues, type SecretSources, type SecretValue } from './secret-values.js';
import { TextMasker, type LineMasker } from './text-masker.js';

export class KnownSecrets {
  readonly values: readonly SecretValue[];
  readonly #texts: TextMasker;
  readonly #isEmpty: boolean;
  #outputs: OutputSecrets | undefined;

  constructor(sources: SecretSources) {
    this.values = secretValues(sources);
    const needles = needlesForTexts(this.values);
    this.#isEmpty = needles.length === 0;
    this.#texts = new TextMasker(needles);
  }

  /** For scanning outputs. */
  get outputs(): OutputSecrets {
    return (this.#outputs ??= new OutputSecrets(this.values));
  }

  mask = (text: string): string => this.#texts.mask(text);

  lines(emit: (line: string) => void): LineMasker {
    return this.#texts.lines(emit);
  }

  /**
   * Masks all texts of data; returns the same object if nothing is hidden. As in keys, the user of a URL that is not http
   * stays, since it is part of the address.
   */
  maskValue<T>(value: T): T {
    const without = withoutCredentials(value as JSONValue);
    return (this.#isEmpty ? without : this.#deep(without)) as T;
  }

  /** The tag of a reason stays, also when it happens to be the value of a secret. */
  maskReasons = (reasons: readonly Reason[]): readonly Reason[] =>
    reasons.map((reason) => {
      const fields = Object.entries(reason).map(([name, value]) => [name, this.#anywhere(value as JSONValue)]);
      return { ...Object.fromEntries(fields), type: reason.type } as Reason;
    });

  /** Like `maskValue`, but also in property names and numbers: of data that is shown, not used. */
  #anywhere(value: JSONValue): JSONValue {
    if (typeof value === 'string') return this.maskValue(value);
    if (typeof value === 'number') {
      const text = String(value);
      const shown = this.maskValue(text);
      return shown === text ? value : shown;
    }
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item) => this.#anywhere(item as JSONValue));
    const entries = Object.entries(value).map(([name, item]) => [
      this.maskValue(name),
      this.#anywhere(item as JSONValue),
    ]);
    return Object.fromEntries(entries) as JSONValue;
  }

  /** Failures quote the output and the arguments of commands. */
  maskFailure(failure: Failure): Failure {
    return {
      ...failure,
      title: this.mask(failure.title),
      detail: this.mask(failure.detail),
      remedy: this.mask(failure.remedy),
      ...(failure.subject !== undefined && { subject: this.mask(failure.subject) }),
      ...(failure.known !== undefined && { known: this.maskValue(failure.known) }),
    };
  }

  #deep(value: JSONValue): JSONValue {
    if (typeof value === 'string') return this.#texts.maskSecrets(value);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#deep(item as JSONValue));
      return items.some((item, at) => item !== value[at]) ? items : value;
    }
    let isSame = true;
    const entries = Object.entries(value).map(([name, item]) => {
      const shown = this.#deep(item as JSONValue);
      isSame &&= shown === item;
      return [name, shown] as const;
    });
    return isSame ? value : Object.fromEntries(entries);
  }
}
