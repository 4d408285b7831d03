// Compares package versions according to PEP 440, as far as messages need it. An unreadable version meets no specifier.

interface Version {
  readonly epoch: number;
  readonly release: readonly number[];
  /** Order: dev releases, alphas, betas, candidates, the release, post releases. Without a post release, `post` is -1. */
  readonly stage: readonly [phase: number, number: number, post: number, dev: number];
}

const VERSION =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|alpha|b|beta|c|rc|pre|preview)[-_.]?(\d*))?(?:(?:-|[-_.]?(?:post|rev|r)[-_.]?)(\d+))?(?:[-_.]?dev[-_.]?(\d*))?(?:\+[a-z0-9._-]+)?$/i;
const PHASES: Readonly<Record<string, number>> = { a: 1, alpha: 1, b: 2, beta: 2, c: 3, rc: 3, pre: 3, preview: 3 };
const FINAL = 4;
const LONGEST = 200;

function parse(text: string): Version | undefined {
  if (text.length > LONGEST) return undefined;
  const [, epoch = '0', release, phase, number, post, dev] = VERSION.exec(text.trim()) ?? [];
  if (release === undefined) return undefined;
  const isDev = dev !== undefined;
  const isOnlyDev = isDev && post === undefined && phase === undefined;
  const rank = phase !== undefined ? PHASES[phase.toLowerCase()]! : isOnlyDev ? 0 : FINAL;
  return {
    epoch: Number(epoch),
    release: release.split('.').map(Number),
    stage: [rank, Number(number ?? 0), post === undefined ? -1 : Number(post), isDev ? Number(dev) : Infinity],
  };
}

const compareLists = (a: readonly number[], b: readonly number[]): number => {
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [one, other] = [a[at] ?? 0, b[at] ?? 0];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
};

function compare(a: Version, b: Version): number {
  return compareLists([a.epoch, ...a.release], [b.epoch, ...b.release]) || compareLists(a.stage, b.stage);
}

/** A version that was read once, for many comparisons. */
export type PackageVersion = Version;

export const readVersion = (text: string): PackageVersion | undefined => parse(text);

/** Negative if `a` is older. Local parts (`+cu121`) don't count. */
export const versionOrder = (a: PackageVersion, b: PackageVersion): number => compare(a, b);

/** Equal for all spellings of a version. */
export function versionKey({ epoch, release, stage }: PackageVersion): string {
  const last = release.findLastIndex((part) => part !== 0);
  return JSON.stringify([epoch, release.slice(0, last + 1), stage]);
}

export const isPreRelease = (text: string): boolean => {
  const version = parse(text);
  return version !== undefined && isBeforeRelease(version);
};

const isBeforeRelease = ({ stage: [phase, , , dev] }: Version): boolean => phase < FINAL || dev !== Infinity;
const isAfterRelease = ({ stage: [, , post] }: Version): boolean => post >= 0;

const isOfSameRelease = (a: Version, b: Version): boolean =>
  compareLists([a.epoch, ...a.release], [b.epoch, ...b.release]) === 0;

export const isVersion = (text: string): boolean => parse(text) !== undefined;

/** The newest readable version; pre-releases count only if there are no final versions. */
export function newestVersion(versions: readonly string[]): string | undefined {
  const finals = versions.filter((version) => !isPreRelease(version));
  let newest: readonly [text: string, version: Version] | undefined;
  for (const text of finals.length > 0 ? finals : versions) {
    const version = parse(text);
    if (version !== undefined && (newest === undefined || compare(version, newest[1]) > 0)) newest = [text, version];
  }
  return newest?.[0];
}

/** `specifiers`: `>=3.12,<4`. Every version meets an empty string. */
export function meetsSpecifiers(version: string, specifiers: string): boolean {
  const found = parse(version);
  if (found === undefined) return false;
  return specifiers
    .split(',')
    .map((clause) => clause.trim())
    .filter((clause) => clause !== '')
    .every((clause) => meets(version.trim(), found, clause));
}

const CLAUSE = /^(===|==|!=|~=|>=|<=|>|<)\s*([^\s,*]+?)(\.\*)?$/;

function meets(text: string, version: Version, clause: string): boolean {
  const [, operator, written, wildcard] = CLAUSE.exec(clause) ?? [];
  const wanted = parse(written ?? '');
  if (operator === '===') return text === written;
  if (wanted === undefined) return false;
  const begins = (series: readonly number[]): boolean =>
    version.epoch === wanted.epoch && compareLists(version.release.slice(0, series.length), series) === 0;
  const startsSo = begins(wanted.release);
  const order = compare(version, wanted);
  switch (operator) {
    case '==':
      return wildcard === undefined ? order === 0 : startsSo;
    case '!=':
      return wildcard === undefined ? order !== 0 : !startsSo;
    case '~=':
      return order >= 0 && begins(wanted.release.slice(0, -1));
    case '>=':
      return order >= 0;
    case '<=':
      return order <= 0;
    // `>1` does not want post releases of 1, and `<2` no release candidates of 2.
    case '>':
      return order > 0 && (isAfterRelease(wanted) || !isAfterRelease(version) || !isOfSameRelease(version, wanted));
    case '<':
      return order < 0 && (isBeforeRelease(wanted) || !isBeforeRelease(version) || !isOfSameRelease(version, wanted));
    default:
      return false;
  }
}

/** The Python 3 minor nearest to `minor` that the specifiers allow; prefers later ones. */
export function nearestPython(minor: string, specifiers: string): string | undefined {
  const own = Number(/^3\.(\d+)$/.exec(minor)?.[1] ?? Number.NaN);
  const allowed = Array.from({ length: 40 }, (_, index) => index).filter((index) =>
    [`3.${index}.0`, `3.${index}.99`].some((version) => meetsSpecifiers(version, specifiers)),
  );
  const later = allowed.find((index) => index > own);
  const nearest = later ?? allowed.findLast((index) => index < own);
  return nearest === undefined ? undefined : `3.${nearest}`;
}
