// Looks into JSON and TOML data of unknown shape.

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Empty for anything but an object. */
export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
/** The strings in a list; empty for anything but a list. */
export const stringsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
