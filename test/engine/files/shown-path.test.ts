import { expect } from 'chai';
import { shownPath, someOf } from '../../../src/engine/files/shown-path.js';

describe('engine/files/shown-path', () => {
  it('keeps ordinary names, and quotes those that would change the line', () => {
    expect(shownPath('src/über "x"')).to.equal('src/über "x"');
    expect(shownPath('a\nerror: x')).to.equal('"a\\nerror: x"');
    expect(shownPath('a\u202eb"\\')).to.equal('"a\\u202eb\\"\\\\"');
  });

  it('leaves a name that is already quoted unchanged', () => {
    for (const name of ['a', 'a\nb', 'a"\\\u2028']) expect(shownPath(shownPath(name))).to.equal(shownPath(name));
  });

  it('lists the first of some names, each on the same line', () => {
    expect(someOf([])).to.equal('');
    expect(someOf(['a', 'b\nc'], 2)).to.equal('a, "b\\nc"');
    expect(someOf(['a', 'b\nc', 'd', 'e'], 2)).to.equal('a, "b\\nc" and 2 more');
  });
});
