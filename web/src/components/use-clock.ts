/** The page's clock while something runs: the time of the current frame, in ms. */
import { useEffect, useState } from 'preact/hooks';

export function useClock(running: boolean): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    if (!running) return;
    let frame = 0;
    const tick = () => {
      setNow(performance.now());
      frame = requestAnimationFrame(tick);
    };
    tick();
    return () => cancelAnimationFrame(frame);
  }, [running]);
  return running ? Math.max(now, performance.now()) : now;
}
