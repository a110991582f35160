/** The door of questions: what texts offer to ask about, and passages that answer something else. */
export { distractors } from './distractors.ts';
export { headingOf, isWorded, quoted, quotedStart, withoutId } from './quoted-passages.ts';
