// The config field with the dependency groups that are installed besides what every build gets.

export const groupsSchema = {
  type: 'array',
  items: { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$' },
  description: 'Dependency groups of the project to install as well. Without `--test` a build installs none by itself.',
} as const;
