// How far a line is indented, by which logs show what belongs together.

export const indentOf = (line: string): number => line.length - line.trimStart().length;
