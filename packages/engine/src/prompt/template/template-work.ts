/**
 * What one rendering of a chat template may cost, counted: a template comes with a downloaded model and may be written
 * to fill the memory or to run for ever. Counting ends it at the same step on every machine, before the memory is
 * taken; a clock could not stop V8's own searches, nor a text that doubles within one step.
 *
 * One unit is about what reading a character costs, a few nanoseconds: the budget of a short prompt is a tenth of a
 * second or two.
 */
import { BlockAttentionError } from '../../errors.ts';
import { isList, isMapping, type Value } from './template-library.ts';

/** For what a template does however short the prompt. */
const baseUnits = 1 << 25;
/** Templates look at a message's content a dozen times. */
const unitsPerCharacter = 32;
const unitsPerMessage = 1 << 17;
const mostUnits = 1 << 29;

/** What a text of the template's may hold beside the contents it was given. */
const maxMarkupChars = 1 << 24;

/** Units of a step, and of making a value. */
export const stepUnits = 64;
export const valueUnits = 32;

/** Of each value that is written out. */
const writtenUnits = 96;

export class TemplateWork {
  /** Characters that the template was given. */
  readonly #given: number;
  #left: number;

  constructor(given: number, messages: number) {
    this.#given = given;
    this.#left = Math.min(mostUnits, baseUnits + given * unitsPerCharacter + messages * unitsPerMessage);
  }

  /** @throws INVALID_TEMPLATE when the template has done too much */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left >= 0) return;
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      'the chat template cannot be rendered: it does far more work than its messages need, as a loop without end does: use the template "plain"',
    );
  }

  /** @throws INVALID_TEMPLATE for a text longer than the template may make */
  checkLength(characters: number): void {
    if (characters <= this.#given + maxMarkupChars) return;
    throw new BlockAttentionError(
      'INVALID_TEMPLATE',
      `the chat template cannot be rendered: it makes ${characters} characters of ${this.#given}: at most ${maxMarkupChars} more are allowed`,
    );
  }

  /**
   * Pays for writing a value out, with all that it holds: values that hold one another twice grow exponentially.
   * @param extra characters written with each value it holds, and again with each level
   */
  write(value: Value, extra = 0): void {
    const waiting: [Value, number][] = [[value, 1]];
    let characters = 0;
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [{ value: content }, level] = next;
      characters += extra * level + (typeof content === 'string' ? content.length : 4);
      this.spend(writtenUnits);
      if (isList(next[0])) {
        this.spend(next[0].value.length);
        for (const inner of next[0].value) waiting.push([inner, level + 1]);
      } else if (isMapping(next[0])) {
        this.spend(next[0].value.size);
        for (const [key, inner] of next[0].value) {
          characters += key.length;
          waiting.push([inner, level + 1]);
        }
      }
      this.checkLength(characters);
    }
    this.spend(characters);
    this.checkLength(characters);
  }
}
