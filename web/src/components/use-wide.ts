/** Whether there is room for two columns, as in the styles. */
import { useEffect, useState } from 'preact/hooks';

const query = '(width > 68rem)';

export function useWide(): boolean {
  const [wide, setWide] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const follow = () => setWide(list.matches);
    list.addEventListener('change', follow);
    return () => list.removeEventListener('change', follow);
  }, []);
  return wide;
}
