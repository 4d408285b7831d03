// `pyflow inspect`: the inventory of a slug, compared on request with another slug or with a run of the app.

import { resolve } from 'node:path';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { Folder } from '../files/folder.js';
import type { RunRequest } from '../request.js';
import { appIdOf, listRuns } from '../run/run-record.js';
import { compareSlugs, compareWithRun, type Comparison } from './compare.js';
import { noRunToCompare } from './failures.js';
import { takeInventory, type Inventory, type InventoryRequest } from './inventory.js';
import { reportsOf } from './run-facts.js';

export interface Inspection {
  readonly inventory: Inventory;
  readonly comparison?: Comparison;
}

export interface InspectionRequest
  extends Pick<RunRequest, 'appDir' | 'appId' | 'cacheDir'>, Omit<InventoryRequest, 'reports'> {
  /** The folder of another slug is relative to it. */
  readonly cwd: string;
}

/** `against`: the folder of a slug, a run id or the beginning of one. */
export async function inspectSlug(
  request: InspectionRequest,
  against: string | undefined,
): Promise<Result<Inspection, Failure>> {
  const reports = [...reportsOf(request)];
  const taken = await takeInventory({ ...request, reports });
  if (!taken.ok) return taken;
  const inventory = taken.value;
  if (against === undefined) return succeed({ inventory });
  const runs = reports.filter(({ runId }) => runId.startsWith(against));
  const [run] = runs;
  if (run !== undefined && runs.length === 1) return succeed({ inventory, comparison: compareWithRun(inventory, run) });
  const slugDir = resolve(request.cwd, against);
  if (runs.length > 1 || !new Folder(slugDir).exists()) {
    return fail(noRunToCompare(against, listRuns(request.cacheDir, appIdOf(request))));
  }
  const other = await takeInventory({ ...request, slugDir, reports: [] });
  return other.ok ? succeed({ inventory, comparison: compareSlugs(inventory, other.value, against) }) : other;
}
