// JSON pages of an index: PEP 691, with the fields of PEP 592, 700, 714, 740 and 792.

import { fail, succeed, type Result } from '../failure.js';
import { isTable, isText } from '../files/untrusted-json.js';
import {
  checkedFile,
  checkedHashes,
  checkedMetadata,
  checkedStatus,
  checkedVersions,
  entriesOf,
  MOST_FILES,
  tooManyFiles,
  versionProblem,
  webAddress,
  type PageFile,
  type PageProblem,
  type ProjectPage,
} from './page-fields.js';

export function parseJsonPage(text: string, pageUrl: string, project: string): Result<ProjectPage, PageProblem> {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return fail({ kind: 'not-readable', detail: 'The page is not valid JSON.' });
  }
  if (!isTable(data) || !Array.isArray(data['files'])) {
    return fail({ kind: 'not-readable', detail: 'The page has no list of files.' });
  }
  const meta = isTable(data['meta']) ? data['meta'] : {};
  const problem = versionProblem(meta['api-version']);
  if (problem !== undefined) return fail(problem);
  if (data['files'].length > MOST_FILES) return fail(tooManyFiles());
  const versions = checkedVersions(data['versions']);
  const status = isTable(data['project-status']) ? data['project-status'] : {};
  return succeed({
    project,
    files: data['files'].map((file: unknown) => readFile(file, pageUrl)).filter((file) => file !== undefined),
    ...(versions !== undefined && { versions }),
    apiVersion: (meta['api-version'] as string | undefined) ?? '1.0',
    ...checkedStatus(status['status'], status['reason']),
  });
}

function readFile(file: unknown, pageUrl: string): PageFile | undefined {
  if (!isTable(file)) return undefined;
  const yanked = file['yanked'];
  // PEP 714 renamed the field; indexes serve the old name beside it.
  const metadata = file['core-metadata'] ?? file['dist-info-metadata'] ?? file['data-dist-info-metadata'];
  return checkedFile({
    filename: file['filename'],
    url: webAddress(file['url'], pageUrl),
    hashes: checkedHashes(entriesOf(file['hashes'])),
    requiresPython: file['requires-python'],
    yanked: isText(yanked) && yanked !== '' ? yanked : yanked === true ? '' : false,
    metadata: checkedMetadata(metadata === true || isTable(metadata), isTable(metadata) && metadata['sha256']),
    uploadTime: file['upload-time'],
    size: file['size'],
    provenance: isText(file['provenance']) ? webAddress(file['provenance'], pageUrl) : undefined,
  });
}

export function renderJsonPage(page: ProjectPage): string {
  return JSON.stringify({
    meta: { 'api-version': page.apiVersion },
    name: page.project,
    ...(page.status !== undefined && { 'project-status': page.status }),
    ...(page.versions !== undefined && { versions: page.versions }),
    files: page.files.map(fileTable),
  });
}

function fileTable(file: PageFile): Readonly<Record<string, unknown>> {
  return {
    filename: file.filename,
    url: file.url,
    hashes: file.hashes,
    ...(file.requiresPython !== undefined && { 'requires-python': file.requiresPython }),
    // An empty text would say that the file is not withdrawn.
    yanked: file.yanked === '' ? true : file.yanked,
    ...(file.metadata !== false && { 'core-metadata': file.metadata, 'data-dist-info-metadata': file.metadata }),
    ...(file.uploadTime !== undefined && { 'upload-time': new Date(file.uploadTime).toISOString() }),
    ...(file.size !== undefined && { size: file.size }),
    ...(file.provenance !== undefined && { provenance: file.provenance }),
  };
}
