import { Casd, needCasd } from '../support/casd.js';
import { killServer, loseBlobs } from '../support/remote-rounds.js';

describe('remote cache, over and over', () => {
  let casd: Casd;
  before(async function () {
    needCasd(this);
    casd = await Casd.start();
  });
  after(async () => casd?.stop());

  it('builds the same slug with a server that is killed at 50 random moments', () => killServer(casd, 50));
  it('builds the same slug with a server that loses half of its blobs 50 times', () => loseBlobs(casd, 50));
});
