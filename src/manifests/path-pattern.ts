// Matches path patterns in time bounded by pattern times path, so that no pattern can block a run. `*` and `?` stop at a
// slash, `**` doesn't, `{a,b}` is either one, `[a-z]` is one character of a set, a backslash escapes.

type Token =
  | { readonly type: 'char'; readonly char: string }
  | { readonly type: 'any' }
  | { readonly type: 'star' }
  | { readonly type: 'set'; readonly isNegated: boolean; readonly ranges: readonly (readonly [string, string])[] };
/** Pattern of one name. Undefined stands for `**`: any number of names, including none. */
type Segment = readonly Token[] | undefined;

/** In characters. The longest real pattern has about a hundred. */
const LONGEST = 1024;
/** Alternatives that the braces of one pattern may expand to. */
const MOST_ALTERNATIVES = 1000;

export type PathMatcher = (path: string) => boolean;

/** Undefined when the pattern is too large; `LARGEST_PATTERN` is the message for that. */
export function compilePathPattern(pattern: string): PathMatcher | undefined {
  if (pattern.length > LONGEST) return undefined;
  const alternatives = expandBraces(pattern);
  if (alternatives === undefined) return undefined;
  const compiled = alternatives.map((alternative) => {
    const segments = segmentsOf(alternative);
    return { segments, tail: tailOf(segments.at(-1)) };
  });
  return (path) => {
    let names: readonly string[] | undefined;
    for (const { segments, tail } of compiled) {
      // For most paths the ending settles it.
      if (path.endsWith(tail) && matchNames(segments, (names ??= path.split('/')))) return true;
    }
    return false;
  };
}

/** The literal ending of every path that matches. */
function tailOf(segment: Segment): string {
  let tail = '';
  for (const token of segment?.toReversed() ?? []) {
    if (token.type !== 'char') break;
    tail = token.char + tail;
  }
  return tail;
}

/** The plain names before the first wildcard: `lib` of `lib/*.py`. Undefined when the pattern has only plain names. */
export function plainBaseOf(pattern: string): string | undefined {
  const plain: string[] = [];
  for (const part of pattern.split('/')) {
    if (/[*?[{]/.test(part.replace(/\\./g, ''))) return withoutEscapes(plain.join('/'));
    plain.push(part);
  }
  return undefined;
}

export const withoutEscapes = (pattern: string): string => pattern.replace(/\\(.)/g, '$1');

export const LARGEST_PATTERN = `A pattern can have at most ${LONGEST} characters and ${MOST_ALTERNATIVES} alternatives in braces.`;

function expandBraces(pattern: string): readonly string[] | undefined {
  const done: string[] = [];
  const pending = [pattern];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const group = firstGroup(next);
    if (group === undefined) done.push(next);
    else {
      const [before, after] = [next.slice(0, group.start), next.slice(group.end)];
      for (const alternative of group.alternatives) pending.push(before + alternative + after);
    }
    if (done.length + pending.length > MOST_ALTERNATIVES) return undefined;
  }
  return done;
}

interface Group {
  readonly start: number;
  readonly end: number;
  readonly alternatives: readonly string[];
}

/** The first braces that contain a comma; others are ordinary characters. */
function firstGroup(pattern: string): Group | undefined {
  const open: { readonly start: number; readonly commas: number[] }[] = [];
  let found: Group | undefined;
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === '\\') at++;
    else if (char === '[') at = endOfSet(pattern, at) ?? at;
    else if (char === '{') open.push({ start: at, commas: [] });
    else if (char === ',') open.at(-1)?.commas.push(at);
    else if (char === '}') {
      const group = open.pop();
      if (group === undefined || group.commas.length === 0) continue;
      const { start, commas } = group;
      const ends = [...commas, at];
      const alternatives = ends.map((end, index) => pattern.slice(index === 0 ? start + 1 : ends[index - 1]! + 1, end));
      // An outer group that closes later contains this one.
      found = { start, end: at + 1, alternatives };
      if (open.length === 0) return found;
    }
  }
  return found;
}

/** Where `[...]` ends. Undefined when it doesn't, and the bracket is an ordinary character. */
function endOfSet(pattern: string, start: number): number | undefined {
  let at = start + 1;
  if (pattern[at] === '!' || pattern[at] === '^') at++;
  // A bracket in first position stands for itself.
  for (let first = true; at < pattern.length && pattern[at] !== '/'; at++, first = false) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === ']' && !first) return at;
  }
  return undefined;
}

function segmentsOf(pattern: string): readonly Segment[] {
  const segments: Segment[] = [];
  let tokens: Token[] = [];
  let start = 0;
  const end = (at: number): void => {
    const isAnyDepth = pattern.slice(start, at) === '**';
    if (!isAnyDepth) segments.push(tokens);
    else if (segments.length === 0 || segments.at(-1) !== undefined) segments.push(undefined);
    tokens = [];
    start = at + 1;
  };
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    const setEnd = char === '[' ? endOfSet(pattern, at) : undefined;
    if (char === '/') end(at);
    else if (char === '*') {
      if (tokens.at(-1)?.type !== 'star') tokens.push({ type: 'star' });
    } else if (char === '?') tokens.push({ type: 'any' });
    else if (setEnd !== undefined) {
      tokens.push(setOf(pattern.slice(at + 1, setEnd)));
      at = setEnd;
    } else if (char === '\\' && at + 1 < pattern.length) tokens.push({ type: 'char', char: pattern[++at]! });
    else tokens.push({ type: 'char', char });
  }
  end(pattern.length);
  // `lib/**` is also `lib` itself, but `*/**` is not every name.
  const [before, last] = segments.slice(-2);
  if (segments.length > 1 && last === undefined && before?.at(-1)?.type === 'star') segments.push([{ type: 'star' }]);
  return segments;
}

function setOf(text: string): Token {
  const isNegated = text.startsWith('!') || text.startsWith('^');
  const chars: string[] = [];
  const dashes = new Set<number>();
  for (let at = isNegated ? 1 : 0; at < text.length; at++) {
    const isEscaped = text[at] === '\\' && at + 1 < text.length;
    if (isEscaped) at++;
    else if (text[at] === '-') dashes.add(chars.length);
    chars.push(text[at]!);
  }
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < chars.length; at++) {
    const isRange = dashes.has(at + 1) && at + 2 < chars.length;
    ranges.push([chars[at]!, chars[isRange ? at + 2 : at]!]);
    if (isRange) at += 2;
  }
  return { type: 'set', isNegated, ranges };
}

/** Backtracks only to the last star: whatever an earlier star could match, the last one can match too. */
function matchNames(segments: readonly Segment[], names: readonly string[]): boolean {
  let [segment, name] = [0, 0];
  let retry: { segment: number; name: number } | undefined;
  while (name < names.length) {
    const wanted = segments[segment];
    if (segment < segments.length && wanted === undefined) {
      retry = { segment: ++segment, name };
    } else if (wanted !== undefined && matchName(wanted, names[name]!)) {
      segment++;
      name++;
    } else if (retry !== undefined) {
      retry.name++;
      ({ segment, name } = retry);
    } else return false;
  }
  while (segment < segments.length && segments[segment] === undefined) segment++;
  return segment === segments.length;
}

function matchName(tokens: readonly Token[], name: string): boolean {
  let [token, at] = [0, 0];
  let retry: { token: number; at: number } | undefined;
  while (at < name.length) {
    const wanted = tokens[token];
    if (wanted?.type === 'star') retry = { token: ++token, at };
    else if (wanted !== undefined && matchChar(wanted, name[at]!)) {
      token++;
      at++;
    } else if (retry !== undefined) {
      retry.at++;
      ({ token, at } = retry);
    } else return false;
  }
  while (tokens[token]?.type === 'star') token++;
  return token === tokens.length;
}

function matchChar(token: Token, char: string): boolean {
  if (token.type === 'char') return token.char === char;
  if (token.type !== 'set') return true;
  return token.ranges.some(([low, high]) => char >= low && char <= high) !== token.isNegated;
}
