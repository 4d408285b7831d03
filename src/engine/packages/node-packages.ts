// The gateway as one node uses it: the variables that lead its commands there, and what went wrong.

import { existsSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { Failure } from '../failure.js';
import type { Folder } from '../files/folder.js';
import { CERTIFICATE_VARIABLES } from '../process/certificate-variables.js';
import { RELAY_PORT } from '../process/sandbox/relay-program.js';
import { explained } from './failures.js';
import type { PackageGateway } from './gateway.js';
import { isClosed, type PackagesMode } from './mode.js';
import type { Policy } from './policy.js';
import type { PackageRecord, PackageRecords, RecordedFile } from './records.js';
import type { PackagePlan, Session } from './session.js';

export interface NodePackagesOptions {
  readonly open: () => Promise<PackageGateway>;
  readonly mode: PackagesMode;
  readonly records: PackageRecords;
  /** Of the action. */
  readonly key: string;
  /** Absent without a policy. */
  readonly policy?: Policy | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: number;
}

/** Bundles of the machine's certificates, for hosts that the gateway doesn't answer for. */
const BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];

export class NodePackages {
  #session: Session | undefined;
  readonly #sessions: Session[] = [];
  #gateway: PackageGateway | undefined;

  constructor(private readonly options: NodePackagesOptions) {}

  /** Its commands have no network besides the gateway. */
  get isClosed(): boolean {
    return isClosed(this.options.mode);
  }

  /** The socket for commands without a network. Undefined before `begin`. */
  get socketPath(): string | undefined {
    return this.#session === undefined ? undefined : this.#gateway?.socketPath;
  }

  /** A second call replaces the plan. */
  async begin(plan: PackagePlan): Promise<void> {
    this.#session?.close();
    const { open, mode, records, key } = this.options;
    this.#gateway = await open();
    const record = mode.type === 'replay' ? (records.read(key) ?? { pages: [], files: [] }) : undefined;
    this.#session = this.#gateway.begin(plan, !this.isClosed, record);
    this.#sessions.push(this.#session);
  }

  /** The text of a file with all certificates that commands should trust. */
  certificates(passThrough: Readonly<Record<string, string>>): string {
    const own = this.#gateway!.certificate;
    if (this.isClosed) return own;
    const operators = CERTIFICATE_VARIABLES.map((name) => passThrough[name] ?? '').filter((path) => path !== '');
    const texts = [...new Set([...operators, ...BUNDLES])].filter((path) => existsSync(path)).map(readText);
    return `${texts.length > 0 ? texts.join('\n') : rootCertificates.join('\n')}\n${own}`;
  }

  /** Variables for commands. `certificateFile`: as commands see it. */
  variables(certificateFile: string): Readonly<Record<string, string>> {
    const port = this.isClosed ? RELAY_PORT : this.#gateway!.port;
    const proxy = `http://pyflow:${this.#session!.token}@127.0.0.1:${port}`;
    const proxies = ['HTTP_PROXY', 'HTTPS_PROXY'].flatMap((name) => [name, name.toLowerCase()]);
    const files = [...CERTIFICATE_VARIABLES.filter((name) => name !== 'SSL_CERT_DIR'), 'GIT_SSL_CAINFO'];
    return {
      ...Object.fromEntries(proxies.map((name) => [name, proxy])),
      ...Object.fromEntries(files.map((name) => [name, certificateFile])),
      ALL_PROXY: '',
      all_proxy: '',
      NO_PROXY: '',
      no_proxy: '',
    };
  }

  /** The text that commands get in place of a secret. */
  async hide(secret: string): Promise<string> {
    return secret === '' ? secret : (await this.options.open()).standIns.for(secret);
  }

  /** The failure of a package manager, or what the gateway knows to be its cause. */
  explain(failure: Failure): Failure {
    const { problems = [] } = this.#session ?? {};
    const byProblem = explained(failure, problems);
    return byProblem === failure ? (this.#session?.explain(failure) ?? failure) : byProblem;
  }

  /** Why what was installed must not stay; undefined if it may. */
  async judgeInstalled(app: Folder, onWarning: (text: string) => void): Promise<Failure | undefined> {
    const { policy, now = 0 } = this.options;
    if (policy?.file.licences === undefined) return undefined;
    const { judgeInstalled } = await import('./installed-licences.js');
    return judgeInstalled(app, { policy, now, onWarning });
  }

  /** Ends the node's access. `hasSucceeded`: what passed is kept, so that the node can be built from it again. */
  end(hasSucceeded: boolean): void {
    if (this.#session === undefined) return;
    this.#session.close();
    const { mode, records, key } = this.options;
    if (!hasSucceeded || mode.type === 'replay') return;
    const record: PackageRecord = {
      pages: sorted(this.#sessions.map(({ passedPages }) => passedPages)),
      files: sorted(this.#sessions.map(({ passedFiles }) => passedFiles)),
    };
    records.write(key, record);
  }
}

const sorted = <F extends RecordedFile>(passed: readonly ReadonlyMap<string, F>[]): readonly F[] =>
  [...new Map(passed.flatMap((one) => [...one])).values()].sort((one, other) => (one.url < other.url ? -1 : 1));

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
