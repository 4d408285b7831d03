// Every way to interrupt a run, with every kind of node that resists.

import { bundledCli } from '../support/cli-scene.js';
import { hasNamespaces } from '../support/namespaces.js';
import { interrupt } from '../support/stubborn.js';
import { skipBecause } from '../support/skip.js';

describe('interruption, every way', () => {
  before(() => void bundledCli());
  const nodes = ['sleeps', 'forks', 'deaf', 'leaves', 'daemon', 'busy'] as const;
  for (const sandbox of ['none', 'required'] as const) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      for (const to of ['process', 'group'] as const) {
        it(`${signal} to the ${to}, sandbox ${sandbox}`, async function () {
          if (sandbox === 'required' && !(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
          await interrupt({ signal, to, sandbox, nodes, withinMs: 6000 });
        });

        it(`${signal} to the ${to} twice, sandbox ${sandbox}`, async function () {
          if (sandbox === 'required' && !(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
          await interrupt({ signal, to, sandbox, nodes: [...nodes, 'chatty'], withinMs: 1500, twice: true });
        });
      }
    }
  }
});
