// The text of a pip requirements file into lines with meaning: requirements and options. One file at a time; unaware of
// other files, of variables' values and of the app.

/** One requirement as written. */
export interface RequirementLine {
  readonly type: 'requirement';
  readonly line: number;
  readonly editable: boolean;
  /** Name, specifier, path or URL; without marker, options and comment. */
  readonly target: string;
  readonly marker?: string;
  /** `sha256:...` of `--hash` options. */
  readonly hashes: readonly string[];
}
/** `--index-url URL`, `-r FILE`, `--pre`: the long name without dashes. */
export interface OptionLine {
  readonly type: 'option';
  readonly line: number;
  readonly name: string;
  readonly value?: string;
}
export type RequirementsFileLine = RequirementLine | OptionLine;

const WITH_VALUE = [
  'config-settings',
  'constraint',
  'editable',
  'extra-index-url',
  'find-links',
  'global-option',
  'hash',
  'index-url',
  'no-binary',
  'only-binary',
  'requirement',
  'trusted-host',
  'use-feature',
];
const FLAGS = ['no-index', 'pre', 'prefer-binary', 'require-hashes'];
const SHORT: Readonly<Record<string, string>> = {
  C: 'config-settings',
  c: 'constraint',
  e: 'editable',
  f: 'find-links',
  i: 'index-url',
  r: 'requirement',
};
const ALIASES: Readonly<Record<string, string>> = { 'pypi-url': 'index-url', 'config-setting': 'config-settings' };
const LONG = [...WITH_VALUE, ...FLAGS, ...Object.keys(ALIASES)];

export function parseRequirementsLines(bytes: Uint8Array): readonly RequirementsFileLine[] {
  return logicalLines(decode(bytes)).flatMap(({ text, line }) => parseLine(text, line));
}

/** Names of `${NAME}` in what pip would expand: everything but comments. */
export function variableNames(bytes: Uint8Array): readonly string[] {
  const names = new Set<string>();
  for (const { text } of logicalLines(decode(bytes))) {
    for (const [, name] of text.matchAll(VARIABLE)) names.add(name!);
  }
  return [...names].sort();
}
/** pip expands only this form. */
export const VARIABLE = /\$\{([A-Z0-9_]+)\}/g;

/** pip takes files with a byte order mark, which editors on Windows write. */
function decode(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  return new TextDecoder(encoding).decode(bytes);
}

interface LogicalLine {
  readonly text: string;
  /** The first physical line, from 1. */
  readonly line: number;
}

// The line ends of Python's splitlines(), which pip uses.
// oxlint-disable-next-line no-control-regex
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

/** Joins lines that end in a backslash, then drops comments and blanks, in that order, as pip does. */
function logicalLines(text: string): readonly LogicalLine[] {
  const logical: LogicalLine[] = [];
  let parts: string[] = [];
  let start = 1;
  const finish = (): void => {
    const joined = withoutComment(parts.join('')).trim();
    if (joined !== '') logical.push({ text: joined, line: start });
    parts = [];
  };
  for (const [index, line] of text.split(LINE_END).entries()) {
    if (parts.length === 0) start = index + 1;
    const hasComment = commentStart(line) >= 0;
    if (line.endsWith('\\') && !hasComment) {
      parts.push(line.replace(/^\\/, '').slice(0, -1));
      continue;
    }
    // The blank keeps a comment recognisable after the join.
    parts.push(hasComment ? ` ${line}` : line);
    finish();
  }
  finish();
  return logical;
}

/** A `#` at the start or after a blank; in a URL it begins a fragment. */
function commentStart(text: string): number {
  for (let at = text.indexOf('#'); at >= 0; at = text.indexOf('#', at + 1)) {
    if (at === 0 || /\s/.test(text.charAt(at - 1))) return at;
  }
  return -1;
}
function withoutComment(text: string): string {
  const at = commentStart(text);
  return at < 0 ? text : text.slice(0, at);
}

function parseLine(text: string, line: number): readonly RequirementsFileLine[] {
  const words = splitWords(text);
  // Options begin at the first word with a dash; before it stands the requirement, blanks and all.
  const firstOption = words.findIndex(({ value }) => value.startsWith('-'));
  const options = firstOption < 0 ? [] : parseOptions(words.slice(firstOption).map(({ value }) => value));
  const target = (firstOption < 0 ? text : text.slice(0, words[firstOption]!.start)).trim();
  const hashes = options.flatMap(({ name, value }) => (name === 'hash' && value !== undefined ? [value] : []));
  if (target !== '') return [requirement(target, line, false, hashes)];
  return options.flatMap(({ name, value }): readonly RequirementsFileLine[] => {
    if (name === 'hash') return [];
    if (name === 'editable') return value === undefined ? [] : [requirement(value, line, true, hashes)];
    return [value === undefined ? { type: 'option', line, name } : { type: 'option', line, name, value }];
  });
}

function requirement(text: string, line: number, editable: boolean, hashes: readonly string[]): RequirementLine {
  // A semicolon may be part of a URL, so there it counts only before a blank.
  const at = text.indexOf(text.includes('://') ? '; ' : ';');
  const target = (at < 0 ? text : text.slice(0, at)).trim();
  const marker = at < 0 ? '' : text.slice(at + 1).trim();
  return { type: 'requirement', line, editable, target, hashes, ...(marker === '' ? {} : { marker }) };
}

interface Option {
  readonly name: string;
  readonly value?: string;
}

function parseOptions(words: readonly string[]): readonly Option[] {
  const options: Option[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const [, long, attached] = /^--([A-Za-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const [, short, rest] = /^-([A-Za-z])(.*)$/s.exec(word) ?? [];
    const name = long === undefined ? short && SHORT[short] : fullName(long);
    // What pip does not know, pip will complain of.
    if (name === undefined) continue;
    if (FLAGS.includes(name)) options.push({ name });
    else if (attached !== undefined) options.push({ name, value: attached });
    else if (long === undefined && rest !== undefined && rest !== '') options.push({ name, value: rest });
    else if (index + 1 < words.length) options.push({ name, value: words[++index]! });
  }
  return options;
}

/** pip takes unambiguous beginnings of long options too. */
function fullName(name: string): string | undefined {
  const candidates = LONG.includes(name) ? [name] : LONG.filter((known) => known.startsWith(name));
  const names = new Set(candidates.map((known) => ALIASES[known] ?? known));
  return names.size === 1 ? [...names][0] : undefined;
}

interface Word {
  readonly value: string;
  readonly start: number;
}

/** Words as a shell splits them: quotes group and vanish, a backslash takes the next character as it is. */
function splitWords(text: string): readonly Word[] {
  const words: Word[] = [];
  let value: string | undefined;
  let start = 0;
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (quote === '' && /\s/.test(character)) {
      if (value !== undefined) words.push({ value, start });
      value = undefined;
      continue;
    }
    if (value === undefined) {
      value = '';
      start = index;
    }
    if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === '\\' && quote !== "'" && index + 1 < text.length) value += text.charAt(++index);
    else value += character;
  }
  if (value !== undefined) words.push({ value, start });
  return words;
}
