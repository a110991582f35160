/** Errors as OpenAI's clients expect them. Messages reach the client; they name its own values, never another's. */
import { BlockAttentionError, type ErrorCode } from '../errors.ts';

/** An error about one field of a request. */
export class RequestError extends BlockAttentionError {
  /** Path of the field, such as `messages.0.content`; null when it is about the whole request. */
  readonly param: string | null;

  constructor(code: ErrorCode, message: string, param: string | null = null) {
    super(code, message);
    this.param = param;
  }
}

/** Codes of OpenAI's that its clients act on, such as by shortening the prompt. */
const openAiCodes: Partial<Record<ErrorCode, string>> = { CONTEXT_OVERFLOW: 'context_length_exceeded' };

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    /** Our own code where OpenAI has another for the same, which is then `code`. */
    readonly block_attention_code?: string;
    readonly param: string | null;
  };
}

/** What the client is told. A fault that is not ours to name stays unnamed: its text may hold anything. */
export function errorBody(error: unknown): { readonly status: number; readonly body: ErrorBody } {
  const known = asKnown(error);
  const param = known instanceof RequestError ? known.param : null;
  const { code, message, status } = known;
  const own = code.toLowerCase();
  const theirs = openAiCodes[code];
  const named = theirs === undefined ? { code: own } : { code: theirs, block_attention_code: own };
  return { status, body: { error: { message, type: typeOf(status), ...named, param } } };
}

function asKnown(error: unknown): BlockAttentionError {
  if (BlockAttentionError.isInstance(error)) return error;
  return new BlockAttentionError('INTERNAL', 'the server failed: its log has the reason under this request id');
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}
