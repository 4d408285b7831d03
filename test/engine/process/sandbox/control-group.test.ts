import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { makeControlGroup } from '../../../../src/engine/process/sandbox/control-group.js';
import { skipBecause } from '../../../support/skip.js';

describe('engine/process/sandbox/control-group', () => {
  it('limits the number of processes and leaves nothing', function () {
    const group = makeControlGroup(10);
    if (group === undefined) {
      return skipBecause(this, 'this machine hands out no control groups');
    }
    const folder = dirname(group.procsFile);
    expect(readFileSync(`${folder}/pids.max`, 'latin1').trim()).to.equal('276');
    // The shell prints an error for each failed fork; the sleeping children end with the group's first process.
    const script = `echo $$ > ${group.procsFile}; for i in $(seq 400); do sleep 5 & done 2>/dev/null; cat ${folder}/pids.current; kill -9 0`;
    const { stdout } = spawnSync('setsid', ['bash', '-c', script], { encoding: 'utf8' });
    expect(Number(stdout.trim().split('\n')[0] ?? 0)).to.be.at.most(276);
    while (existsSync(folder)) group.remove();
  }).timeout(60_000);
});
