import { expect } from 'chai';
import { hasUserinfo, maskUserinfo, withoutUserinfo } from '../../../../src/plugins/shared/install/index-url.js';
import { readableLine } from '../../../../src/plugins/shared/pip/command.js';

describe('plugins/shared/install/index-url', () => {
  it('drops user and password', () => {
    expect(withoutUserinfo('https://me:se%40cret@host:8443/simple?x=a@b')).to.equal('https://host:8443/simple?x=a@b');
    expect(withoutUserinfo('https://token@host/simple https://b:c@other/')).to.equal(
      'https://host/simple https://other/',
    );
    expect(withoutUserinfo('https://host/@scope')).to.equal('https://host/@scope');
    expect(hasUserinfo('https://a@b/')).to.equal(true);
    expect(hasUserinfo('https://b/')).to.equal(false);
  });

  it('masks them in output', () => {
    expect(maskUserinfo('Looking in indexes: https://me:secret@host/simple, http://host')).to.equal(
      'Looking in indexes: https://****@host/simple, http://host',
    );
  });

  it('[pip.output-shortened] removes the folder from lines about installed packages', () => {
    const at = '/app/.scalingo/python/lib/python3.12/site-packages';
    expect(
      readableLine(`Requirement already satisfied: six in ${at} (from -r requirements.txt (line 1)) (1.17)`),
    ).to.equal('Requirement already satisfied: six (from -r requirements.txt (line 1)) (1.17)');
  });
});
