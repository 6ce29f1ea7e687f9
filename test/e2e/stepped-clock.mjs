// Loaded before a gateway process by `node --import`: its system clock shows another time than the machine's, by the
// milliseconds that stand in the file STEPPED_CLOCK names. Timers and the monotonic clock go on as they do in reality.
import { readFileSync } from 'node:fs';

const file = process.env['STEPPED_CLOCK'];
const real = Date.now;
let offset = 0;

function look() {
  try {
    offset = Number(readFileSync(file, 'utf8'));
  } catch {
    offset = 0;
  }
}

if (file !== undefined) {
  look();
  setInterval(look, 20).unref();
  Date.now = () => real() + offset;
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      if (given.length === 0) super(RealDate.now());
      else super(...given);
    }
  };
}
