// The documented environment that every node starts with.

/** Part of every key and of every command's environment. */
export const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  // 1980-01-02, like the files of views: zip archives start a day earlier, which is 1979 west of Greenwich.
  SOURCE_DATE_EPOCH: '315619200',
  // In the sandbox root can't change the owner of files, but tar would try to.
  TAR_OPTIONS: '--no-same-owner',
};
