// The result of parsing a file of the app: a value, or the problem as data.

/** Has the shape of the engine's `Result`, which manifests can't import. */
export type Parsed<T, P> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: P };

export const parsed = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });
export const wrong = <P>(failure: P): { readonly ok: false; readonly failure: P } => ({ ok: false, failure });

/** At most this many characters of foreign text, without half a surrogate pair at the end. */
export function excerpt(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(0, length);
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut;
}
