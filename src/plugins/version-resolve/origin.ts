// The place of the version that the app requests.

export type Origin = 'runtime.txt' | '.python-version' | 'Pipfile.lock' | 'cached' | 'default' | 'newest-that-fits';
