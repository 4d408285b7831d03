// Explains YAML syntax errors.

interface Words {
  readonly code: string;
  readonly message: string;
  readonly reason?: string;
  readonly remedy: string;
}

/** Pattern of the parser's reason -> message, reason, remedy. The first match counts. */
const KNOWN: readonly (readonly [RegExp, string, string | undefined, string])[] = [
  [
    /tab characters/,
    'This line is indented with a tab.',
    'YAML allows only spaces for indentation.',
    'Replace the tabs at the start of the line with spaces.',
  ],
  [
    /end of the stream within a (single|double) quoted/,
    'A quoted string is not closed before the end of the file.',
    undefined,
    'Add the closing quote.',
  ],
  [
    /end of the document within a (single|double) quoted/,
    'A quoted string is not closed before the end of the document.',
    undefined,
    'Add the closing quote.',
  ],
  [
    /end of the stream within a flow collection/,
    'A bracket or brace is not closed before the end of the file.',
    undefined,
    'Add the missing `]` or `}`.',
  ],
  [/missed comma/, 'A comma is missing between two entries.', undefined, 'Add a comma before this entry.'],
  [/expected the node content, but found ','/, 'There is one comma too many.', undefined, 'Remove it.'],
  [
    /bad indentation of a mapping entry|deficient indentation/,
    'This line does not fit into the mapping around it.',
    'Its indentation differs from the lines next to it, or an unquoted string contains `: ` or starts with a special character.',
    'Indent it like the entries next to it, or put quotes around a string that contains `: ` or starts with one of `@ % & * ! | > [ {` or a backtick.',
  ],
  [
    /bad indentation of a sequence entry/,
    'This list entry is not aligned with the others.',
    undefined,
    'Indent all entries of the list by the same number of spaces.',
  ],
  [
    /unidentified alias/,
    'This alias is not defined.',
    'An alias `*name` needs an anchor `&name` earlier in the file.',
    'Define the anchor first, or put quotes around a string that starts with `*`.',
  ],
  [
    /unknown .* tag|cannot resolve a node|tag (name|suffix|handle)|undeclared tag|verbatim tag|duplication of a tag/,
    'This YAML tag is not supported.',
    'pyflow supports the tags of the YAML 1.2 core schema: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map.',
    'Remove the tag, or put quotes around a string that starts with `!`.',
  ],
  [
    /complex keys/,
    'A list or mapping is used as a key.',
    'Keys must be strings.',
    'Use a string as the key. Put quotes around a template: `"${{ ... }}"`.',
  ],
  [
    /nesting exceeded/,
    'The data is nested too deeply.',
    'A pipeline file needs only a few levels.',
    'Remove levels of nesting.',
  ],
  [
    /non-printable|null byte|valid JSON character/,
    'The file contains a control character.',
    undefined,
    'Remove it, or write it as an escape sequence in double quotes.',
  ],
  [
    /escape|hexadecimal/,
    'Unknown escape sequence in a double-quoted string.',
    undefined,
    'Double the backslash, or use single quotes, where a backslash has no special meaning.',
  ],
  [
    /expected ':' after|multiline key|can not read a block mapping/,
    'This key has no `:`.',
    'Every entry of a mapping has the form `key: value`.',
    'Add a colon and a space after the key.',
  ],
  [
    /whitespace character is expected after the key-value/,
    'A space is missing after the colon.',
    undefined,
    'Write `key: value`.',
  ],
  [
    /document separator is expected/,
    'This line does not continue the value before it.',
    "A list and a mapping can't share one level, and nothing can follow the end of the document.",
    'Check the indentation of this line and of the one before it.',
  ],
  [/directive/, 'This YAML directive is not supported.', undefined, 'Remove the line that starts with `%`.'],
  [/input is empty/, 'The pipeline file is empty.', undefined, 'Begin with `pyflow: 1`, followed by `nodes`.'],
  [
    /anchor|alias/,
    'This anchor or alias is malformed.',
    undefined,
    'Write `&name` before a value and `*name` to use it again.',
  ],
];

interface SyntaxProblem {
  readonly words: Words;
  readonly offset: number;
}

/** Parsing a larger file a second time takes too long. */
const MAX_SECOND_READING = 300_000;

/**
 * Explains an error of the fast parser at `offset`. Asks a second parser first, loaded only now, whose errors are more
 * specific.
 */
export async function explainSyntax(
  error: Error & { readonly reason?: string },
  offset: number,
  text: string,
): Promise<SyntaxProblem> {
  const finer = text.length > MAX_SECOND_READING ? undefined : await readAgain(text);
  if (finer) return finer;
  const said = error.reason ?? error.message;
  for (const [pattern, message, reason, remedy] of KNOWN) {
    if (!pattern.test(said)) continue;
    const code = /input is empty/.test(said) ? 'pipeline::empty' : 'pipeline::syntax';
    return { words: { code, message, ...(reason !== undefined && { reason }), remedy }, offset };
  }
  return {
    words: {
      code: 'pipeline::syntax',
      message: `The file is not valid ${looksLikeJSON(text) ? 'JSON or YAML' : 'YAML or JSON'} here.`,
      remedy: 'Check the quotes, brackets, colons and indentation of this line and the one before it.',
    },
    offset,
  };
}

const looksLikeJSON = (text: string): boolean => /^\s*[[{]/.test(text);

async function readAgain(text: string): Promise<SyntaxProblem | undefined> {
  const { parseDocument } = await import('yaml');
  let errors: readonly { readonly code: string; readonly pos: readonly [number, number]; readonly message: string }[];
  try {
    ({ errors } = parseDocument(text, { version: '1.2', schema: 'core', prettyErrors: false, logLevel: 'silent' }));
  } catch {
    return undefined;
  }
  const [first] = errors;
  return first && explainAgain(first.code, first.message, Math.min(first.pos[0], text.length), text);
}

/** Undefined when the first parser's error is just as good. */
function explainAgain(code: string, said: string, at: number, text: string): SyntaxProblem | undefined {
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return problem(at, {
        message: 'This string contains `: ` but has no quotes.',
        reason: 'YAML reads `: ` as the end of a key.',
        remedy: 'Put quotes around the whole string, or start a new line if it is a key.',
      });
    case 'BAD_SCALAR_START':
      return problem(at, {
        message: `A string without quotes can't start with ${JSON.stringify(text.charAt(at))}.`,
        reason: 'YAML reserves this character.',
        remedy: 'Put quotes around the string.',
      });
    case 'BAD_INDENT':
      return said.startsWith('Flow') ? explainOpenBracket(at) : explainIndent(at, text);
    case 'MISSING_CHAR':
      return explainOpenQuote(said, text);
    case 'MULTILINE_IMPLICIT_KEY':
      if (!looksLikeJSON(text)) return undefined;
      return problem(at, {
        message: 'A comma is missing after this value.',
        remedy: 'Add a comma between the two entries.',
      });
    case 'UNEXPECTED_TOKEN':
      return explainToken(at, text);
    default:
      return undefined;
  }
}

const problem = (offset: number, words: Omit<Words, 'code'>): SyntaxProblem => ({
  words: { code: 'pipeline::syntax', ...words },
  offset,
});

function explainOpenBracket(at: number): SyntaxProblem {
  return problem(at, {
    message: 'An earlier bracket or brace is not closed.',
    remedy: 'Close it with `]` or `}`, and indent everything inside further than its key.',
  });
}

function explainIndent(at: number, text: string): SyntaxProblem {
  return problem(skipBlanks(text, at), {
    message: 'This line is not indented like the lines next to it.',
    remedy: 'Indent all entries of a mapping or list by the same number of spaces.',
  });
}

function explainOpenQuote(said: string, text: string): SyntaxProblem | undefined {
  if (!said.includes('quote')) return undefined;
  const quote = /'quote|'-quote|' ?quote/.test(said) ? "'" : '"';
  return problem(Math.max(0, text.lastIndexOf(quote)), {
    message: 'A quoted string is not closed.',
    reason: 'It extends to the end of the file.',
    remedy: 'Add the closing quote.',
  });
}

function explainToken(at: number, text: string): SyntaxProblem | undefined {
  if (text.slice(Math.max(0, at - 1), at + 2) === '${{') {
    return problem(at - 1, {
      message: 'This template has no quotes.',
      reason: 'Inside `{ }`, YAML reads its braces as a mapping.',
      remedy: 'Write `"${{ ... }}"`.',
    });
  }
  if (!/[[\]{}"']/.test(text.charAt(at))) return undefined;
  return problem(at, {
    message: 'This string contains brackets or quotes but is not quoted itself.',
    reason: 'Inside `{ }` and `[ ]`, YAML reads them as the start or end of a value.',
    remedy: 'Put single quotes around the whole string.',
  });
}

function skipBlanks(text: string, at: number): number {
  let offset = at;
  while (text[offset] === ' ') offset++;
  return offset;
}
