// Words of the shell lines that pyflow writes.

export const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
