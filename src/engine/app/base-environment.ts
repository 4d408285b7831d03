// The one documented environment that every node starts from. Unaware of plugins.

/** In every key and every command. */
export const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  // 1980-01-02, as files of views have it: zip archives begin a day earlier, which west of Greenwich is 1979.
  SOURCE_DATE_EPOCH: '315619200',
  // Root may not give files away in the sandbox, and tar would try.
  TAR_OPTIONS: '--no-same-owner',
};
