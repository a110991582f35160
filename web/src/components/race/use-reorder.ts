/** Dragging a list's items by a handle, with mouse, pen or finger. The keyboard's way is the handle's own. */
import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';

export interface Reorder {
  /** Key of the item that is dragged. */
  readonly dragged: number | undefined;
  readonly list: RefObject<HTMLOListElement | null>;
  begin(event: PointerEvent, key: number): void;
}

/** @param onMove is told the new index while the item is dragged
 *  @param onEnd is told when it was let go */
export function useReorder(onMove: (key: number, to: number) => void, onEnd: (key: number) => void): Reorder {
  const list = useRef<HTMLOListElement>(null);
  const [dragged, setDragged] = useState<number>();

  const begin = (event: PointerEvent, key: number) => {
    const { currentTarget: handle, pointerId } = event;
    if (event.button !== 0 || !(handle instanceof HTMLElement)) return;
    event.preventDefault();
    handle.focus();
    const control = new AbortController();
    const { signal } = control;
    setDragged(key);
    const end = () => {
      control.abort();
      setDragged(undefined);
      onEnd(key);
    };
    const same = (listener: (event: PointerEvent) => void) => (next: PointerEvent) => {
      if (next.pointerId === pointerId) listener(next);
    };
    const move = same((next) => {
      const to = indexAt(list.current, next.clientY);
      if (to !== undefined) onMove(key, to);
    });
    // On the window: moving an element within its list takes a captured pointer away from it.
    addEventListener('pointermove', move, { signal });
    addEventListener('pointerup', same(end), { signal });
    addEventListener('pointercancel', same(end), { signal });
  };
  return { dragged, list, begin };
}

/** The item under a height of the window. */
function indexAt(list: HTMLElement | null, clientY: number): number | undefined {
  if (list === null) return undefined;
  const items = [...list.children];
  const found = items.findIndex((item) => {
    const { top, bottom } = item.getBoundingClientRect();
    return clientY >= top && clientY <= bottom;
  });
  if (found >= 0) return found;
  const [first] = items;
  if (first && clientY < first.getBoundingClientRect().top) return 0;
  const last = items.at(-1);
  return last && clientY > last.getBoundingClientRect().bottom ? items.length - 1 : undefined;
}
