// Drawing at a pace that the page can bear, however fast events come.

const LEAST = 40; // milliseconds between two drawings
const SHARE = 4; // a drawing that takes long is repeated only after so many times as long

/**
 * Call `draw` in a frame after it is asked for; many askings make one drawing. What the reader does is
 * answered in the next frame with `now`, however long the last drawing took.
 * @param {() => void} draw
 * @returns {{ask: () => void, now: () => void, stop: () => void}}
 */
export function paced(draw) {
  let asked = false;
  let stopped = false;
  let next = 0;
  function frame() {
    if (stopped || !asked) return;
    asked = false;
    const began = performance.now();
    draw();
    const ended = performance.now();
    next = ended + Math.max(LEAST, SHARE * (ended - began));
  }
  return {
    ask() {
      if (asked || stopped) return;
      asked = true;
      const wait = next - performance.now();
      if (wait <= 0) requestAnimationFrame(frame);
      else setTimeout(() => requestAnimationFrame(frame), wait);
    },
    now() {
      asked = true;
      requestAnimationFrame(frame);
    },
    stop() {
      stopped = true;
    },
  };
}
