// Parses a Python version as an app writes it: N.N or N.N.N.

export interface PythonRequest {
  /** As written. */
  readonly text: string;
  /** `3.13` */
  readonly minor: string;
  /** `3.13.2`, when the app gives the patch too. */
  readonly version?: string;
}

// At most nine digits, so that every number is exact and versions can be compared as semver.
const NUMBER = '(?:0|[1-9][0-9]{0,8})';
const VERSION = new RegExp(`^(${NUMBER}\\.${NUMBER})(?:\\.${NUMBER})?$`);

export function parsePythonRequest(text: string): PythonRequest | undefined {
  const minor = VERSION.exec(text)?.[1];
  if (minor === undefined) return undefined;
  return minor === text ? { text, minor } : { text, minor, version: text };
}

/** Negative when `a` is older. Both are `N.N`. */
export function compareMinors(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}
