// The inventories of twenty small apps equal what Python itself finds in their slugs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareInspected, documentValidator, INSPECTED_APPS } from '../support/inspected-apps.js';

describe('inventories of twenty apps', () => {
  const cache = mkdtempSync(join(tmpdir(), 'pyflow-inspect-cache-'));
  let validator: string;
  before(() => {
    validator = documentValidator();
  });
  after(() => rmSync(cache, { recursive: true, force: true }));

  for (const [name, files] of Object.entries(INSPECTED_APPS)) {
    it(`equals importlib.metadata: ${name}`, () => compareInspected(files, cache, validator));
  }
});
