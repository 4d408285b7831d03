// The time of day as a service, so that tests can set it.

import type { Clock } from '../sdk.js';

export const systemClock: Clock = { now: () => Date.now() };
