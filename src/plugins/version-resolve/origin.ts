// Where the version that an app asks for was found.

export type Origin = 'runtime.txt' | '.python-version' | 'Pipfile.lock' | 'cached' | 'default';
