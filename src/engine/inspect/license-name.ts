// The name of a package's licence for people and for documents: an expression if it has one, else what its author wrote.

import type { InventoryPackage } from './inventory.js';

/** A longer text is the licence itself rather than its name. */
const LONGEST_NAME = 100;

/** Undefined if the package names none. */
export function licenseText({ expression, text, classifiers }: InventoryPackage['license']): string | undefined {
  if (expression !== undefined) return expression;
  const names = classifiers.filter((name) => name !== 'OSI Approved');
  // A text of several sentences is the first line of a licence, and a classifier says more.
  if (text !== undefined && text.length <= LONGEST_NAME && !(names.length > 0 && /[.,] /.test(text))) return text;
  return names.length > 0 ? names.join(', ') : text === undefined ? undefined : `${text.slice(0, LONGEST_NAME)}…`;
}
