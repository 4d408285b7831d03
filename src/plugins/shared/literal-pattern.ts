// A path as a pattern that matches it alone.

export const literalPattern = (path: string): string => path.replace(/[\\*?{}[\]()!+@]/g, '\\$&');
