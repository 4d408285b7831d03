// How long Node takes to start and exit.

import process from 'node:process';

process.exitCode = 0;
