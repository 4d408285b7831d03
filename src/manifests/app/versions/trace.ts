// The trace of the choice of a Python, as plain JSON: what was asked, what each version would mean for the packages, and which
// version was chosen for which reason.

/** Why a version of Python is rejected. Only `would-compile` leaves hope that the install works. */
export type Rejection =
  /** No provider has a build for this stack and machine. */
  | { readonly type: 'no-build' }
  /** A file of the app excludes it. */
  | { readonly type: 'excluded'; readonly file: string; readonly constraint: string }
  /** The lockfile is for other environments. */
  | { readonly type: 'other-environment'; readonly file: string }
  /** A package of the lockfile excludes it. */
  | {
      readonly type: 'package-excludes';
      readonly package: string;
      readonly version: string;
      readonly constraint: string;
    }
  /** No wheel fits, though one does for another Python; there is a source archive. */
  | { readonly type: 'would-compile'; readonly package: string; readonly version: string }
  /** No wheel fits, though one does for another Python, and there is no source archive. */
  | { readonly type: 'no-file'; readonly package: string; readonly version: string };

export type Candidate = {
  /** X.Y */
  readonly minor: string;
  /** X.Y.Z that would be installed; absent without a build. */
  readonly version?: string;
  readonly accepted: boolean;
  /** Empty if accepted. At most 20, the rest is in `more`. */
  readonly reasons: readonly Rejection[];
  readonly more?: number;
};

/** What limits the trace. */
export type TraceNote =
  /** The file lists no names of files, so wheels are unknown. */
  | { readonly type: 'files-unknown'; readonly file: string }
  | { readonly type: 'unreadable-lock'; readonly file: string }
  | { readonly type: 'unreadable-constraint'; readonly file: string; readonly constraint: string }
  /** These packages have no wheel for any of the versions, so they decide nothing. */
  | { readonly type: 'no-wheel-anywhere'; readonly packages: readonly string[]; readonly more?: number };

export type Choice =
  /** The app sets the version. */
  | 'set'
  | 'last-build'
  | 'default'
  /** By the policy `newest-that-fits`. */
  | 'newest-that-fits'
  /** In place of the version of the last build or the default, which does not fit. */
  | 'replaced';

export type VersionTrace = {
  readonly chosen: string;
  readonly choice: Choice;
  /** What the choice was about: the version that the app sets, that of the last build, or the default. */
  readonly wanted: string;
  /** Where the wanted version is set: a file, `last build` or `default`. */
  readonly from: string;
  readonly policy: 'default' | 'newest-that-fits';
  readonly platform: { readonly stack: string; readonly machine: string; readonly libc?: string };
  /** The lockfile. Not what is in it: the trace is in the key, and most changes of a lockfile change no version. */
  readonly lock?: string;
  /** Newest first. */
  readonly candidates: readonly Candidate[];
  readonly notes: readonly TraceNote[];
};
