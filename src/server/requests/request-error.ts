/** Errors as OpenAI's clients expect them. Messages reach the client; they name its own values, never another's. */
import { BlockAttentionError, type ErrorCode } from '@block-attention/engine/internal/base';

/** An error about one field of a request. */
export class RequestError extends BlockAttentionError {
  /** Path of the field, such as `messages.0.content`; null when it is about the whole request. */
  readonly param: string | null;
  /** Kind of fault of a field, such as `invalid_type`; nothing of its value. */
  readonly kind: string | undefined;

  constructor(code: ErrorCode, message: string, param: string | null = null, kind?: string) {
    super(code, message);
    this.param = param;
    this.kind = kind;
  }
}

/**
 * What a log may tell of a refused request: which field, and what kind of fault. Below its second level a path may be of the
 * client's own making (documents, schemas), and so may a field that nobody knows: those stay out.
 */
export function loggedFields({ param, kind }: RequestError, known: ReadonlySet<string>): object {
  const [field = '', index = ''] = (param ?? '').split('.');
  if (!known.has(field)) return { kind };
  return { field: /^\d{1,6}$/.test(index) ? `${field}.${index}` : field, kind };
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
