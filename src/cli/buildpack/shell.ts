// Words of shell scripts that the adapter writes.

export const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
