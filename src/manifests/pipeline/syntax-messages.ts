// Says in our own words what keeps a file from being YAML. Unaware of pipelines.

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
    'A tab is used for indentation.',
    'YAML allows only spaces there, since tabs have no fixed width.',
    'Replace the tabs at the start of the line by spaces.',
  ],
  [
    /end of the stream within a (single|double) quoted/,
    'A quoted text is not closed before the file ends.',
    undefined,
    'Add the closing quote.',
  ],
  [
    /end of the document within a (single|double) quoted/,
    'A quoted text is not closed before the document ends.',
    undefined,
    'Add the closing quote.',
  ],
  [
    /end of the stream within a flow collection/,
    'A bracket or brace is not closed before the file ends.',
    undefined,
    'Add the missing `]` or `}`.',
  ],
  [/missed comma/, 'A comma is missing between two entries.', undefined, 'Put a comma in front of this entry.'],
  [/expected the node content, but found ','/, 'There is a comma too many.', undefined, 'Remove it.'],
  [
    /bad indentation of a mapping entry|deficient indentation/,
    'This line does not fit the mapping it stands in.',
    'Either its indentation differs from that of its neighbours, or an unquoted text contains `: ` or starts with a special character.',
    'Indent it like the entries next to it; put quotes around text with `: `, or that starts with one of `@ % & * ! | > [ {` or a backquote.',
  ],
  [
    /bad indentation of a sequence entry/,
    'This list entry does not line up with the others.',
    undefined,
    'Indent all entries of a list equally.',
  ],
  [
    /unidentified alias/,
    'This alias stands for nothing.',
    'An alias `*name` needs an anchor `&name` earlier in the file.',
    'Define the anchor first, or put quotes around a text that starts with `*`.',
  ],
  [
    /unknown .* tag|cannot resolve a node|tag (name|suffix|handle)|undeclared tag|verbatim tag|duplication of a tag/,
    'This tag is not known here.',
    'Only the tags of the YAML 1.2 core schema are read: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map.',
    'Remove the tag, or put quotes around a text that starts with `!`.',
  ],
  [
    /complex keys/,
    'A list or mapping is used as a key.',
    'Keys must be plain text.',
    'Use text as the key; put quotes around a template `"${{ ... }}"`.',
  ],
  [
    /nesting exceeded/,
    'The data is nested too deeply.',
    'A pipeline file never needs more than a few levels.',
    'Flatten it.',
  ],
  [
    /non-printable|null byte|valid JSON character/,
    'There is a control character in the file.',
    undefined,
    'Remove it, or write it as an escape inside double quotes.',
  ],
  [
    /escape|hexadecimal/,
    'This escape is not known inside double quotes.',
    undefined,
    'Double the backslash, or use single quotes, where a backslash is an ordinary character.',
  ],
  [
    /expected ':' after|multiline key|can not read a block mapping/,
    'A key without `:` stands here.',
    'Every entry of a mapping has the form `key: value`.',
    'Add the colon, followed by a space.',
  ],
  [
    /whitespace character is expected after the key-value/,
    'A space is missing after the colon.',
    undefined,
    'Write `key: value`.',
  ],
  [
    /document separator is expected/,
    'This line does not continue what stands before it.',
    'Lists and mappings cannot be mixed on one level, and nothing may follow the document.',
    'Check the indentation of this line and of the one before it.',
  ],
  [/directive/, 'This directive is not understood.', undefined, 'Remove the line that starts with `%`.'],
  [/input is empty/, 'The pipeline file is empty.', undefined, 'Start it with `pyflow: 1`, a `name` and `nodes`.'],
  [
    /anchor|alias/,
    'This anchor or alias is not well formed.',
    undefined,
    'Write `&name` before a value and `*name` to use it again.',
  ],
];

interface SyntaxProblem {
  readonly words: Words;
  readonly offset: number;
}

/** Large files would take a second reader too long. */
const MAX_SECOND_READING = 300_000;

/**
 * What the fast parser stumbled over at `offset`. A second parser, loaded only now, is asked first: it names its errors
 * more finely.
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
      message: `The file is not ${looksLikeJSON(text) ? 'JSON or YAML' : 'YAML or JSON'} here.`,
      remedy: 'Compare this line and the one before it with the rules of YAML 1.2.',
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

/** Undefined for errors that the first parser names as well. */
function explainAgain(code: string, said: string, at: number, text: string): SyntaxProblem | undefined {
  switch (code) {
    case 'BLOCK_AS_IMPLICIT_KEY':
      return problem(at, {
        message: 'A text with `: ` in it stands without quotes.',
        reason: 'YAML reads `: ` as the end of a key.',
        remedy: 'Put quotes around the whole text, or begin a new line if it is a key.',
      });
    case 'BAD_SCALAR_START':
      return problem(at, {
        message: `A text cannot start with ${JSON.stringify(text.charAt(at))}.`,
        reason: 'YAML reserves that character.',
        remedy: 'Put quotes around it.',
      });
    case 'BAD_INDENT':
      return said.startsWith('Flow') ? explainOpenBracket(at) : explainIndent(at, text);
    case 'MISSING_CHAR':
      return explainOpenQuote(said, text);
    case 'MULTILINE_IMPLICIT_KEY':
      if (!looksLikeJSON(text)) return undefined;
      return problem(at, {
        message: 'A comma is missing behind this value.',
        remedy: 'Put a comma between two entries.',
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
    message: 'A bracket or brace that was opened before is not closed here.',
    remedy: 'Close it with `]` or `}`; what is inside must be indented more than the key in front of it.',
  });
}

function explainIndent(at: number, text: string): SyntaxProblem {
  return problem(skipBlanks(text, at), {
    message: 'This line is not indented like its neighbours.',
    remedy: 'Give all entries of one mapping, or of one list, the same number of spaces.',
  });
}

function explainOpenQuote(said: string, text: string): SyntaxProblem | undefined {
  if (!said.includes('quote')) return undefined;
  const quote = /'quote|'-quote|' ?quote/.test(said) ? "'" : '"';
  return problem(Math.max(0, text.lastIndexOf(quote)), {
    message: 'A quoted text is not closed.',
    reason: 'It goes on to the end of the file.',
    remedy: 'Add the closing quote.',
  });
}

function explainToken(at: number, text: string): SyntaxProblem | undefined {
  if (text.slice(Math.max(0, at - 1), at + 2) === '${{') {
    return problem(at - 1, {
      message: 'A template stands without quotes.',
      reason: 'Inside `{ }` YAML takes its braces for a mapping.',
      remedy: 'Write `"${{ ... }}"`.',
    });
  }
  if (!/[[\]{}"']/.test(text.charAt(at))) return undefined;
  return problem(at, {
    message: 'A text with brackets or quotes in it stands without quotes.',
    reason: 'Inside `{ }` and `[ ]` YAML takes them for the beginning or the end of something.',
    remedy: 'Put single quotes around the whole text.',
  });
}

function skipBlanks(text: string, at: number): number {
  let offset = at;
  while (text[offset] === ' ') offset++;
  return offset;
}
