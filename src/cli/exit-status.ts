// Decides the exit status of every command. `pyflow help` and docs/command-line.md list the statuses.

import type { Event, RunReport } from '../engine/events.js';
import { EXIT_STATUS, type Failure } from '../engine/failure.js';
import type { Refusal } from '../engine/request.js';
import type { Interruption } from './world.js';

/** The command line is wrong. A wrong pipeline file has the same status. */
export const USAGE_STATUS = EXIT_STATUS.pipeline;
export const BUG_STATUS = EXIT_STATUS.internal;
/** `pyflow cache verify` found damage. */
export const DAMAGE_STATUS = EXIT_STATUS.environment;
/** `pyflow catalogue check` found something to fix. */
export const STALE_STATUS = EXIT_STATUS.pipeline;
/** The answer is no: the app is not a Python app, two builds differ, or bin/compile has not run yet. */
export const NEGATIVE_ANSWER_STATUS = 1;

export const statusOfFailure = ({ blame }: Failure): number => EXIT_STATUS[blame];

export const statusOfRefusal = (refusal: Refusal): number =>
  refusal.type === 'failure' ? statusOfFailure(refusal.failure) : EXIT_STATUS.pipeline;

/** A run that a signal stopped exits with 128 + the signal's number. Only the command line knows the signal. */
export const withSignalStatus = (report: RunReport, interruption: Interruption | undefined): RunReport =>
  report.status === 'aborted' ? withInterruptionStatus(report, interruption) : report;

/** If a signal came before the run was refused, it was most likely refused because of the signal. */
export const withRefusalStatus = (report: RunReport, interruption: Interruption | undefined): RunReport =>
  withInterruptionStatus(report, interruption);

const withInterruptionStatus = (report: RunReport, interruption: Interruption | undefined): RunReport =>
  interruption === undefined ? report : { ...report, exitCode: interruption.exitStatus };

/** The last event carries the report, so its status must be the one that the process ends with. */
export const withStatusInEvent = (event: Event, interruption: Interruption | undefined): Event =>
  event.type === 'run-finished' ? { ...event, report: withSignalStatus(event.report, interruption) } : event;

/** A run's own status, unless all went well but the report or the trace could not be written. */
export const statusOfRun = ({ exitCode }: RunReport, unwritten: readonly Failure[]): number =>
  exitCode === 0 && unwritten[0] !== undefined ? statusOfFailure(unwritten[0]) : exitCode;
