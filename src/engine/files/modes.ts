// Permissions of files and folders, and how records, markers and messages write them.

/** Permissions of a file in REAPI's form: `executable` is enough for 0644 and 0755. */
export interface Permissions {
  readonly executable: boolean;
  /** All nine bits, if they are neither 0644 nor 0755. */
  readonly mode?: number;
}
export const FOLDER_MODE = 0o755;
const modeOf = (executable: boolean): number => (executable ? 0o755 : 0o644);

export function permissionsOf(mode: number): Permissions {
  const executable = (mode & 0o100) !== 0;
  return mode === modeOf(executable) ? { executable } : { executable, mode };
}

export const modeOfFile = ({ executable, mode }: Permissions): number => mode ?? modeOf(executable);

/** For records, markers and messages: empty for 0644. */
export const spellPermissions = (file: Permissions): string =>
  file.mode === undefined ? (file.executable ? ' executable' : '') : ` mode ${spellMode(file.mode)}`;
export const spellMode = (mode: number): string => `0${mode.toString(8).padStart(3, '0')}`;

/** The mode that a text spells as `spellPermissions` does. */
export function readSpelledMode(text: string): string {
  if (text === '') return spellMode(modeOf(false));
  return text === ' executable' ? spellMode(modeOf(true)) : text.slice(' mode '.length);
}
