// Regular expressions in schemas and params. JavaScript matches pyflow's own; RE2 matches all others, and is loaded before
// the first of them is compiled.

import type * as linear from './linear-pattern.js';
import type { KnownKind } from './plugin-manifest.js';

interface TextPattern {
  test(text: string): boolean;
  toString(): string;
}

let engine: typeof linear | undefined;

/** Await this before you compile a pattern that pyflow did not write. */
export async function loadPatternEngine(): Promise<typeof linear> {
  return (engine ??= await import('./linear-pattern.js'));
}

/** A file may have many nodes with the same few patterns. */
const compiled = new Map<string, TextPattern>();
const MOST_COMPILED = 1000;

/** Undefined when it is not a regular expression, or can't be matched in linear time. */
export function compilePattern(pattern: string): TextPattern | undefined {
  let found = compiled.get(pattern);
  if (found !== undefined) return found;
  found = engine === undefined ? compileNative(pattern) : compileForeign(engine, pattern);
  if (compiled.size >= MOST_COMPILED) compiled.clear();
  if (engine !== undefined && found !== undefined) compiled.set(pattern, found);
  return found;
}

function compileForeign({ compileLinear }: typeof linear, pattern: string): TextPattern | undefined {
  try {
    return compileLinear(pattern);
  } catch {
    // Manifests that pyflow ships may use lookahead; a test makes sure that they still match in linear time.
    return isShipped(pattern) ? compileNative(pattern) : undefined;
  }
}

function compileNative(pattern: string): TextPattern | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}

let kindsOfCheck: ReadonlyMap<string, KnownKind> = new Map();

/** Call before a check: loads RE2 if the pipeline, or a kind that it may use, has patterns from outside. */
export async function preparePatterns(
  pipeline: Readonly<Record<string, unknown>>,
  kinds: ReadonlyMap<string, KnownKind>,
): Promise<void> {
  kindsOfCheck = kinds;
  const hasForeignKinds = [...kinds.values()].some(({ codeDigest }) => codeDigest !== undefined);
  if (hasForeignKinds || patternsIn(pipeline['params']).size > 0) await loadPatternEngine();
}

function isShipped(pattern: string): boolean {
  for (const { manifest, codeDigest } of kindsOfCheck.values()) {
    if (codeDigest !== undefined) continue;
    if (patternsIn([manifest.config, manifest.inputs, manifest.outputs]).has(pattern)) return true;
  }
  return false;
}

/** Every `pattern` and every name of `patternProperties` in some schemas. */
export function patternsIn(schemas: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [schemas];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    for (const [name, value] of Object.entries(next)) {
      if (name === 'pattern' && typeof value === 'string') found.add(value);
      else if (typeof value === 'object' && value !== null) {
        if (name === 'patternProperties') for (const pattern of Object.keys(value)) found.add(pattern);
        pending.push(value);
      }
    }
  }
  return found;
}

/** Explains why `compilePattern` refused a pattern. */
export function whyNoPattern(pattern: string): { readonly message: string; readonly remedy: string } {
  if (compileNative(pattern) === undefined) {
    return {
      message: 'The pattern is not a valid regular expression.',
      remedy: 'Use RE2 syntax, for example `^[0-9]+$`.',
    };
  }
  return {
    message: "The pattern uses a feature that can't be matched in linear time.",
    remedy: 'Use RE2 syntax: no lookahead, lookbehind or backreferences, and at most 1000 repetitions.',
  };
}
