// Work without root permissions, for tests that run as root.

/** Id of a user that owns nothing. */
export const NOBODY = 65534;

/** Runs synchronous work without root's permissions, if the tests run as root. */
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
