// Masks secrets in events on their way to renderers.

import type { EventSink } from '../events.js';
import type { KnownSecrets } from './known-secrets.js';

/** Output of commands is masked at its source, line by line. A stored log comes from a run with other secrets: it is masked here. */
export const maskingSink = (sink: EventSink, known: () => KnownSecrets): EventSink => ({
  emit(event) {
    const secrets = known();
    if (event.type === 'notice' || (event.type === 'node-printed' && event.replayed)) {
      sink.emit({ ...event, text: secrets.mask(event.text) });
    } else if (event.type === 'node-progress') sink.emit({ ...event, what: secrets.mask(event.what) });
    else if (event.type === 'node-started') sink.emit({ ...event, reasons: secrets.maskReasons(event.reasons) });
    else if (event.type === 'node-retried') sink.emit({ ...event, failure: secrets.maskFailure(event.failure) });
    // Reports are masked when they are made.
    else sink.emit(event);
  },
});
