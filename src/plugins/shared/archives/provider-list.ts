// The schema of the list of providers, for version-resolve and fetch-runtime.

export const providersSchema = {
  type: 'array',
  items: { type: 'string', enum: ['python-build-standalone', 'scalingo', 'system'] },
  minItems: 1,
  uniqueItems: true,
  default: ['python-build-standalone', 'system'],
  description:
    "Sources of runtimes, in the order to try. Use the same list for `version-resolve` and `fetch-runtime`. `scalingo` downloads the platform's own archives if their digests are pinned. `system` copies an interpreter of this machine, which suits a laptop or a closed network but not production.",
} as const;
export type Provider = (typeof providersSchema.items.enum)[number];
