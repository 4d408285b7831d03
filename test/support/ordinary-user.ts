/** A user that owns nothing. */
export const NOBODY = 65534;

/** Runs synchronous work without the rights of root, where the tests have them. */
export function asOrdinaryUser<T>(work: () => T): T {
  if (process.getuid?.() !== 0) return work();
  process.setegid!(NOBODY);
  process.seteuid!(NOBODY);
  try {
    return work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}
