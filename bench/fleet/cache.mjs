// A cache of results as the simulation sees it. Files are counted in units, sets of files that come and go together: a runtime, a
// tool, a version of a package. Results share units, and a unit is there as long as a result has it.

export class Cache {
  #results = new Map();
  /** A ring of the results: the oldest use is after it, the newest before it. */
  #ring = { before: undefined, after: undefined };
  /** By unit, the number of results that have it. */
  #counts;
  #unitBytes;
  #quota;
  bytes = 0;

  /** `unitBytes` are the sizes of all units. */
  constructor(quota, unitBytes) {
    this.#quota = quota;
    this.#unitBytes = unitBytes;
    this.#counts = new Int32Array(unitBytes.length);
    this.#ring.before = this.#ring;
    this.#ring.after = this.#ring;
  }

  /** Looking up is a use. */
  lookUp(key) {
    const result = this.#results.get(key);
    if (result === undefined) return false;
    unlink(result);
    this.#linkNewest(result);
    return true;
  }

  hasUnit(unit) {
    return this.#counts[unit] > 0;
  }

  add(key, units) {
    if (this.lookUp(key)) return;
    const result = { key, units, before: undefined, after: undefined };
    this.#results.set(key, result);
    this.#linkNewest(result);
    for (const unit of units) {
      if (this.#counts[unit]++ === 0) this.bytes += this.#unitBytes[unit];
    }
    while (this.bytes > this.#quota && this.#results.size > 0) this.#remove(this.#ring.after);
  }

  #linkNewest(result) {
    const ring = this.#ring;
    result.before = ring.before;
    result.after = ring;
    ring.before.after = result;
    ring.before = result;
  }

  #remove(result) {
    for (const unit of result.units) {
      if (--this.#counts[unit] === 0) this.bytes -= this.#unitBytes[unit];
    }
    unlink(result);
    this.#results.delete(result.key);
  }
}

function unlink({ before, after }) {
  before.after = after;
  after.before = before;
}
