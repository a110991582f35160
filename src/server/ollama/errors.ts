/** Errors as Ollama's clients read them: one text. */
import type { ErrorBody } from '../requests/request-error.ts';

/** Where Ollama's API lies. */
export const ollamaPaths = '/api/';

export function ollamaError({ error }: ErrorBody): object {
  return { error: error.message, code: error.code, param: error.param };
}
