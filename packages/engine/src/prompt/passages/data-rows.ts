/** What readers of data in JSON lines have in common: checking a row against its schema, and the error that names the field. */
import type { z } from 'zod';
import { BlockAttentionError } from '../../errors.ts';
import type { Passage, PreviousPassage } from '../types.ts';

/** @param where what errors call the row, such as `file:3`. @throws INVALID_DATA naming the first field that does not fit */
export function checkRow<T>(schema: z.ZodType<T>, value: object, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.reduce<string>(
    (name, step) =>
      typeof step === 'number' ? `${name}[${step}]` : name === '' ? String(step) : `${name}.${String(step)}`,
    '',
  );
  const reason = issue?.message.replace(/^Invalid input: /, '') ?? 'is invalid';
  throw invalidData(`${where}: field "${field ?? ''}": ${reason}`);
}

interface TitledRow {
  title?: string | null | undefined;
  text: string;
}

/** A row's passage; a title that says nothing is none. */
export function rowPassage(row: TitledRow & { previous?: TitledRow | null | undefined }): Passage {
  return { ...titled(row), ...(row.previous ? { previous: titled(row.previous) } : {}) };
}

function titled({ title, text }: TitledRow): PreviousPassage {
  return { ...(title === undefined || title === null || title.trim() === '' ? {} : { title }), text };
}

export function invalidData(message: string, cause?: unknown): BlockAttentionError {
  return new BlockAttentionError('INVALID_DATA', message, { cause });
}
