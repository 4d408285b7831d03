// The schema of the list of providers, which version-resolve and fetch-runtime take alike.

export const providersSchema = {
  type: 'array',
  items: { type: 'string', enum: ['python-build-standalone', 'scalingo', 'system'] },
  minItems: 1,
  uniqueItems: true,
  default: ['python-build-standalone', 'system'],
  description:
    "Where a runtime may come from, in the order to try; the same list for `version-resolve` and `fetch-runtime`. `scalingo` takes the platform's own archives whose digests are pinned. `system` copies an interpreter of this machine: fit for a laptop or a closed network, not for production.",
} as const;
export type Provider = (typeof providersSchema.items.enum)[number];
