import { expect } from 'chai';
import { editRecord, recordColumns, recordPaths } from '../../../../src/plugins/shared/install/record.js';

const RECORD =
  '../../../bin/tool,sha256=old,1\r\n"with,comma ""x"".py",sha256=b,2\r\ntool.py,sha256=c,3\r\nRECORD,,\r\n';

describe('plugins/shared/install/record', () => {
  it('replaces columns of one line and keeps the others byte for byte', () => {
    const text = editRecord(RECORD, (path) => (path === '../../../bin/tool' ? 'sha256=new,7' : undefined));
    expect(text).to.equal(RECORD.replace('sha256=old,1', 'sha256=new,7'));
  });

  it('reads quoted names', () => {
    expect(recordPaths(RECORD)).to.deep.equal(['../../../bin/tool', 'with,comma "x".py', 'tool.py', 'RECORD']);
    const text = editRecord(RECORD, (path) => (path.startsWith('with,') ? 'sha256=q,9' : undefined));
    expect(text).to.contain('"with,comma ""x"".py",sha256=q,9\r\n');
  });

  it('drops lines', () => {
    expect(editRecord('a,,\nb,,\nc,,', (path) => (path === 'b' ? 'drop' : undefined))).to.equal('a,,\nc,,');
  });

  it('writes digests like wheels', () => {
    expect(recordColumns(Buffer.from(''))).to.equal('sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0');
  });
});
