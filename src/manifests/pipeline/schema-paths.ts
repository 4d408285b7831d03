// Finds the value and the part of a schema that a validation error is about.

import { isRecord, type Path } from './problem.js';

/** Follows a JSON pointer through data. Indexes of lists become numbers. */
export function follow(data: unknown, pointer: string): { readonly path: Path; readonly value: unknown } {
  const path: (string | number)[] = [];
  let value = data;
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) {
      path.push(Number(key));
      value = value[Number(key)];
    } else {
      path.push(key);
      value = isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    }
  }
  return { path, value };
}

/** The schema that holds the keyword at the end of a schema path. */
export function schemaAt(schema: unknown, schemaPath: string): unknown {
  let at = schema;
  for (const part of schemaPath.split('/').slice(1, -1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (isRecord(at) && typeof at['$ref'] === 'string' && !Object.hasOwn(at, key))
      at = schemaAt(schema, `${at['$ref']}/x`);
    if (Array.isArray(at)) at = at[Number(key)];
    else at = isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  }
  if (isRecord(at) && typeof at['$ref'] === 'string') return schemaAt(schema, `${at['$ref']}/x`);
  return at;
}

export function withoutRefs(
  schema: Readonly<Record<string, unknown>>,
  root: unknown,
): Readonly<Record<string, unknown>> {
  const choices = schema['anyOf'] ?? schema['oneOf'];
  if (!Array.isArray(choices)) return schema;
  const resolved = choices.map((choice: unknown) =>
    isRecord(choice) && typeof choice['$ref'] === 'string' ? schemaAt(root, `${choice['$ref']}/x`) : choice,
  );
  return {
    anyOf: resolved.map((choice) => (isRecord(choice) && isRecord(choice['items']) ? { type: 'array' } : choice)),
  };
}

/** The nearest description above a keyword. */
export function descriptionOf(schema: unknown, schemaPath: string): string | undefined {
  for (let at = schemaPath; at.includes('/'); at = at.slice(0, at.lastIndexOf('/'))) {
    const owner = schemaAt(schema, at);
    if (isRecord(owner) && typeof owner['description'] === 'string') return owner['description'];
  }
  return undefined;
}
