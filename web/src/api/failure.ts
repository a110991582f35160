/** What can go wrong between the page and its server, in words for the person who looks at it. */

export type FailureKind = 'unreachable' | 'key' | 'busy' | 'overflow' | 'other';

export class Failure extends Error {
  readonly kind: FailureKind;
  /** Seconds the server asked to wait. */
  readonly retryAfter: number | undefined;

  constructor(kind: FailureKind, message: string, retryAfter?: number) {
    super(message);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

/** Headline of a failure; its message follows. */
export const failureTitles: Record<FailureKind, string> = {
  unreachable: 'The server does not answer',
  key: 'This server asks for an API key',
  busy: 'The server is busy',
  overflow: 'Too much for the model’s context',
  other: 'The request failed',
};

/** From an HTTP answer that is not OK. The body has OpenAI's error shape, unless a proxy wrote it. */
export function failureOf(status: number, bodyText: string, retryAfter: string | null): Failure {
  const { message, code } = errorIn(bodyText);
  const text = message ?? `HTTP ${status}`;
  if (status === 401 || status === 403) return new Failure('key', text);
  if (status === 429 || status === 503) return new Failure('busy', text, Number(retryAfter ?? '1') || 1);
  if (code === 'context_length_exceeded') return new Failure('overflow', text);
  if (status === 413 || code === 'model_too_large') return new Failure('overflow', text);
  return new Failure('other', text);
}

/** From whatever was thrown; undefined for a cancelled request. */
export function asFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error;
  if (error instanceof Error && error.name === 'AbortError') return undefined;
  // fetch and its streams throw TypeErrors for every kind of broken connection.
  if (error instanceof TypeError) {
    return new Failure('unreachable', 'It may have been stopped. Start it again, then retry.');
  }
  return new Failure('other', error instanceof Error ? error.message : String(error));
}

function errorIn(bodyText: string): { readonly message?: string; readonly code?: string } {
  try {
    const { error } = JSON.parse(bodyText) as { error?: { message?: string; code?: string } };
    return error ?? {};
  } catch {
    return {};
  }
}
