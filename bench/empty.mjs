// What Node takes to start and end.

import process from 'node:process';

process.exitCode = 0;
