// Indexes as they were at a time: files that were uploaded later are hidden.

import type { Gatekeeper, PagesOf } from './answers.js';
import { fileNameParts } from './file-name.js';
import type { PageFile, ProjectPage } from './page.js';
import type { KnownFile, PackageProblem } from './session.js';

export interface AsOfOptions {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What the indexes of the node have of a project. */
  readonly pagesOf: PagesOf;
}

export class AsOf implements Gatekeeper {
  constructor(private readonly options: AsOfOptions) {}

  filter(page: ProjectPage): ReturnType<Gatekeeper['filter']> {
    const files = page.files.filter((file) => this.#isThere(file));
    if (files.length === page.files.length) return { page, problems: [] };
    const kept = new Set(files.map(versionOf));
    const gone = new Set(page.files.map(versionOf).filter((version) => !kept.has(version)));
    const versions = page.versions?.filter((version) => !gone.has(version));
    const problems = files.length === 0 ? [this.#problem(page.project, page.files.at(-1)!)] : [];
    return { page: { ...page, files, ...(versions !== undefined && { versions }) }, problems };
  }

  async refusal({ file, project }: KnownFile): Promise<PackageProblem | undefined> {
    if (file.uploadTime !== undefined) return this.#isThere(file) ? undefined : this.#problem(project, file);
    const listed = await this.#listed(file, project);
    if (listed === undefined || this.#isThere(listed)) return undefined;
    return this.#problem(project, listed);
  }

  /** A file that a lock or a URL names, as a page has it. */
  async #listed(file: PageFile, project: string): Promise<PageFile | undefined> {
    const filename = file.filename.replace(/\.metadata$/, '');
    const name = project === '' ? fileNameParts(filename)?.project : project;
    if (name === undefined) return undefined;
    const pages = await this.options.pagesOf(name);
    return pages.flatMap(({ page }) => page.files).find((one) => one.filename === filename);
  }

  #isThere({ uploadTime }: PageFile): boolean {
    return uploadTime !== undefined && uploadTime <= this.options.at;
  }

  #problem(project: string, file: PageFile): PackageProblem {
    const when =
      file.uploadTime === undefined
        ? 'the index does not say when it was uploaded'
        : `it was uploaded at ${new Date(file.uploadTime).toISOString()}`;
    const text = `${file.filename}: ${when}, and this build sees packages as of ${new Date(this.options.at).toISOString()}.`;
    return { type: 'later', project, file: file.filename, text };
  }
}

const versionOf = ({ filename }: PageFile): string => fileNameParts(filename)?.version ?? filename;
