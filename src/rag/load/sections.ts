/** Sections while a parser collects them, and what becomes of headings that no text follows. */
import type { Section, Unit } from './document.ts';

export interface OpenSection {
  readonly trail: readonly string[];
  readonly units: Unit[];
  /** The heading as it stands in the file; absent in front of the first one. */
  readonly heading?: Unit | undefined;
}

/** Titles of chunks are cut there: what is longer is text as well. */
const longestTitle = 120;

/**
 * The sections that hold something. A heading is found by the text below it; one that has none, neither its own nor
 * that of a heading below, is text itself: news, contacts and questions are often written so.
 */
export function closeSections(sections: readonly OpenSection[]): Section[] {
  return sections.flatMap(({ trail, units, heading }, index) => {
    const next = sections[index + 1]?.trail ?? [];
    const continued = next.length > trail.length && trail.every((text, depth) => next[depth] === text);
    const alone = units.length === 0 && !continued;
    const all = heading !== undefined && (alone || heading.text.length > longestTitle) ? [heading, ...units] : units;
    return all.length === 0 ? [] : [{ trail, units: all }];
  });
}
