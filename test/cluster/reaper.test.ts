// A test process that is killed leaves no servers and no folders behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { processesOf } from '../support/cli-scene.js';
import { needCluster } from '../support/servers/cluster.js';

describe('servers of a test', function () {
  this.timeout(300_000);

  it('end when the test is killed, and their folders go', async function () {
    needCluster(this);
    const started = fileURLToPath(new URL('../support/servers/cluster.ts', import.meta.url));
    const script = `
      const { Cluster, needCluster } = await import(${JSON.stringify(started)});
      needCluster({ timeout() {} });
      console.log('folder ' + (await Cluster.start({ workers: 1 })).folder);
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let folder = '';
    for await (const line of createInterface({ input: child.stdout })) {
      folder = /^folder (.+)$/.exec(line)?.[1] ?? '';
      if (folder !== '') break;
    }
    const running = processesOf(folder).length;
    child.kill('SIGKILL');
    if (child.signalCode === null) await once(child, 'exit');
    expect(running, 'database, scheduler, worker and its casd').to.be.at.least(4);
    const deadline = performance.now() + 20_000;
    while (performance.now() < deadline && (existsSync(folder) || processesOf(folder).length > 0))
      await new Promise((resume) => setTimeout(resume, 50));
    expect(processesOf(folder)).to.deep.equal([]);
    expect(existsSync(folder)).to.equal(false);
  });
});
