// Measures the indentation of a log line, which shows which lines belong together.

export const indentOf = (line: string): number => line.length - line.trimStart().length;
