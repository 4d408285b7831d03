// Tells apart whether the store or a source of its bytes caused an error of the file system.

/** Thrown when the folder of the store can't be written, as opposed to a source that can't be read. */
export class PlaceError extends Error {}

export function inPlace<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new PlaceError((error as Error).message, { cause: error });
  }
}
