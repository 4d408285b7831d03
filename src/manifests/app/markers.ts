// Evaluates environment markers (PEP 508, PEP 751) for a Python on a machine. The answer can be "unknown": a marker may ask for
// facts that nothing here knows, and a marker from a file can be anything.

import { meetsSpecifiers } from './package-version.js';
import { normalizeName } from './requirements.js';

export interface MarkerEnvironment {
  /** Variable -> value. A variable that is not listed is unknown. */
  readonly values: Readonly<Record<string, string>>;
  /** Normalized names; markers ask for them with `extra == 'x'` and `'x' in extras`. */
  readonly extras: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

/** Undefined: unknown. */
export type Answer = boolean | undefined;

const LONGEST = 10_000;
const DEEPEST = 50;
const TOKEN =
  /\s*(?:(\(|\)|===|==|~=|!=|<=|>=|<|>)|(not\s+in(?![\w.])|in(?![\w.])|and(?![\w.])|or(?![\w.]))|"([^"]*)"|'([^']*)'|([A-Za-z_][\w.]*))/y;

type Value = { readonly type: 'text'; readonly text: string } | { readonly type: 'variable'; readonly name: string };
type Token = Value | { readonly type: 'sign'; readonly sign: string };

/** The marker applies to every environment if it is empty. */
export function markerHolds(marker: string, environment: MarkerEnvironment): Answer {
  if (marker.trim() === '') return true;
  const tokens = marker.length > LONGEST ? undefined : tokensOf(marker);
  if (tokens === undefined) return undefined;
  const reader = new MarkerReader(tokens, environment);
  const answer = reader.anyOf(0);
  return reader.isDone ? answer : undefined;
}

function tokensOf(marker: string): readonly Token[] | undefined {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  const end = marker.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const found = TOKEN.exec(marker);
    if (found === null) return undefined;
    const [, sign, word, double, single, name] = found;
    if (sign !== undefined || word !== undefined) {
      tokens.push({ type: 'sign', sign: (sign ?? word ?? '').replace(/\s+/, ' ') });
    } else if (name !== undefined) tokens.push({ type: 'variable', name });
    else tokens.push({ type: 'text', text: double ?? single ?? '' });
  }
  return tokens;
}

/** Reads everything, even where the answer is known, so that a broken marker counts as unknown everywhere. */
class MarkerReader {
  #at = 0;
  #isBroken = false;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly environment: MarkerEnvironment,
  ) {}

  get isDone(): boolean {
    return !this.#isBroken && this.#at === this.tokens.length;
  }

  anyOf(depth: number): Answer {
    let answer = this.#allOf(depth);
    while (this.#takes('or')) {
      const next = this.#allOf(depth);
      answer = answer === true || next === true ? true : answer === undefined || next === undefined ? undefined : false;
    }
    return answer;
  }

  #allOf(depth: number): Answer {
    let answer = this.#one(depth);
    while (this.#takes('and')) {
      const next = this.#one(depth);
      answer =
        answer === false || next === false ? false : answer === undefined || next === undefined ? undefined : true;
    }
    return answer;
  }

  #one(depth: number): Answer {
    if (this.#takes('(')) {
      if (depth >= DEEPEST) return this.#break();
      const answer = this.anyOf(depth + 1);
      return this.#takes(')') ? answer : this.#break();
    }
    const [left, operator, right] = this.tokens.slice(this.#at, this.#at + 3);
    this.#at += 3;
    if (left?.type === 'sign' || operator?.type !== 'sign' || right?.type === 'sign') return this.#break();
    return left === undefined || right === undefined
      ? this.#break()
      : compare(left, operator.sign, right, this.environment);
  }

  #takes(sign: string): boolean {
    const token = this.tokens[this.#at];
    if (token?.type !== 'sign' || token.sign !== sign) return false;
    this.#at += 1;
    return true;
  }

  #break(): undefined {
    this.#isBroken = true;
    this.#at = this.tokens.length;
    return undefined;
  }
}

const VERSIONS = new Set(['python_version', 'python_full_version', 'implementation_version']);
const FLIPPED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };
const OLD_NAMES: Readonly<Record<string, string>> = {
  'os.name': 'os_name',
  'sys.platform': 'sys_platform',
  'platform.machine': 'platform_machine',
  'platform.python_implementation': 'platform_python_implementation',
  python_implementation: 'platform_python_implementation',
};

function compare(left: Value, operator: string, right: Value, environment: MarkerEnvironment): Answer {
  const set = right.type === 'variable' ? setOf(right.name, environment) : undefined;
  if (set !== undefined && left.type === 'text') {
    const has = set.has(normalizeName(left.text));
    return operator === 'in' ? has : operator === 'not in' ? !has : undefined;
  }
  const extra = [left, right].find((value) => value.type === 'variable' && value.name === 'extra');
  const named = [left, right].find((value) => value.type === 'text');
  if (extra !== undefined && named?.type === 'text') {
    const has = environment.extras.has(normalizeName(named.text));
    return operator === '==' ? has : operator === '!=' ? !has : undefined;
  }
  const [a, b] = [valueOf(left, environment), valueOf(right, environment)];
  if (a === undefined || b === undefined) return undefined;
  if (operator === 'in') return b.includes(a);
  if (operator === 'not in') return !b.includes(a);
  if (left.type === 'variable' && VERSIONS.has(left.name)) return meetsSpecifiers(a, operator + b);
  if (right.type === 'variable' && VERSIONS.has(right.name)) {
    return meetsSpecifiers(b, (FLIPPED[operator] ?? operator) + a);
  }
  return compareTexts(a, operator, b);
}

function compareTexts(a: string, operator: string, b: string): Answer {
  switch (operator) {
    case '==':
    case '===':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    default:
      return undefined;
  }
}

function setOf(name: string, { extras, groups }: MarkerEnvironment): ReadonlySet<string> | undefined {
  if (name === 'extras') return extras;
  return name === 'dependency_groups' ? groups : undefined;
}

function valueOf(value: Value, { values }: MarkerEnvironment): string | undefined {
  if (value.type === 'text') return value.text;
  const name = OLD_NAMES[value.name] ?? value.name;
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
