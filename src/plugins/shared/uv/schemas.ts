// The schema of the package index of kinds that install with uv.

export const uvIndexSchema = {
  type: 'string',
  pattern: '^(https?|file)://[^@\\s]+$',
  description:
    'URL of the package index that stands in for the default one, without user and password (those belong into PYFLOW_INDEX). Default: PYFLOW_INDEX, else the indexes of the project.',
} as const;
