// Splits text into words like Python's `shlex.split`.

/** Undefined when a quote is unclosed or the text ends with an escape. */
export function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (quote === '' && /[ \t\r\n]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === '\\' && quote !== "'") {
      index += 1;
      if (index >= text.length) return undefined;
      const next = text.charAt(index);
      // In double quotes a backslash stands for itself, except before a quote or another backslash.
      word += quote === '"' && next !== '"' && next !== '\\' ? `\\${next}` : next;
    } else word += character;
  }
  if (quote !== '') return undefined;
  if (word !== undefined) words.push(word);
  return words;
}
