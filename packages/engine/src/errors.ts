/**
 * Every error a caller can meet: one class, one registry of codes.
 *
 * A message names the offending value and says what to do about it. `status` is the HTTP status the server answers
 * with. docs/errors.md lists the same codes; a test keeps the two in agreement.
 */
export const errorCodes = {
  // Caller's input
  INVALID_ARGUMENT: { status: 400, summary: 'An option, number or argument is missing, malformed or out of range.' },
  INVALID_PASSAGES: { status: 400, summary: 'The passages cannot be read: a bad line, field, encoding or folder.' },
  INVALID_DATA: { status: 400, summary: 'A data or results file cannot be read: a bad line or field.' },
  EMPTY_QUESTION: { status: 400, summary: 'The question has no text.' },
  CONTEXT_OVERFLOW: { status: 400, summary: 'Prompt plus answer need more tokens than the context holds.' },
  INVALID_GRAMMAR: { status: 400, summary: 'The GBNF grammar does not parse.' },
  INVALID_TEMPLATE: { status: 400, summary: 'The chat template is missing, or cannot be rendered.' },
  // Models
  MODEL_NOT_FOUND: { status: 404, summary: 'No file, alias or reference of that name.' },
  MODEL_INVALID: {
    status: 422,
    summary: 'The file is not a GGUF, is truncated, or its tensors contradict its header.',
  },
  MODEL_UNSUPPORTED: { status: 422, summary: 'The architecture, or a feature of it, cannot run in block mode.' },
  ADAPTER_INVALID: { status: 422, summary: 'The adapter is not a LoRA GGUF, is damaged, or is for another model.' },
  MODEL_TOO_LARGE: { status: 507, summary: 'The model or the request does not fit into memory.' },
  DOWNLOAD_FAILED: { status: 502, summary: 'Every source of the model failed.' },
  DISK_FULL: { status: 507, summary: 'The disk has no room for a model or a block.' },
  CHECKSUM_MISMATCH: { status: 502, summary: 'A downloaded file is not the one its source announced.' },
  // Engine
  BACKEND_UNAVAILABLE: { status: 501, summary: 'The native libraries or the device asked for are not installed.' },
  COMPUTE_FAILED: { status: 500, summary: 'The compute library reported a failure.' },
  DISPOSED: { status: 409, summary: 'The object was used after it was closed.' },
  ABORTED: { status: 499, summary: 'The caller cancelled the request.' },
  INTERNAL: { status: 500, summary: 'A fault of this package: please report it.' },
  // Training
  TRAINING_DIVERGED: { status: 500, summary: 'The loss or the gradient is no longer a finite number.' },
  CHECKPOINT_INVALID: { status: 422, summary: 'A training checkpoint is missing, damaged, or of another run.' },
  // Store
  STORE_FULL: { status: 507, summary: 'Pinned blocks leave no room within the byte budget.' },
  BLOCK_DAMAGED: { status: 503, summary: 'A stored block lost a part of its file while an answer read it.' },
  STORE_INVALID: { status: 422, summary: 'A store folder, file or option cannot be used.' },
  // Documents
  INDEX_NOT_FOUND: { status: 404, summary: 'There is no index of documents, or nothing of that folder in it.' },
  INDEX_INVALID: { status: 422, summary: 'The index of documents is damaged, or of another version.' },
  EMBEDDING_FAILED: { status: 502, summary: 'The embeddings server failed, or its vectors do not fit the index.' },
  // Queue
  QUEUE_UNREACHABLE: { status: 502, summary: 'The Redis that holds the job queue does not answer.' },
  // Server
  SERVER_UNREACHABLE: { status: 502, summary: 'The server that an adapter was given does not answer as it should.' },
  UNAUTHORIZED: { status: 401, summary: 'The API key is missing or unknown.' },
  FORBIDDEN: { status: 403, summary: 'A page of another origin, or a host name that is not the server’s.' },
  NOT_FOUND: { status: 404, summary: 'The server has no such route or resource.' },
  REQUEST_TIMEOUT: { status: 408, summary: 'The request did not arrive whole in time.' },
  REQUEST_TOO_LARGE: { status: 413, summary: 'The request body is larger than the server accepts.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, summary: 'The request body is of a type or compression that is not read.' },
  OVERLOADED: {
    status: 429,
    summary: 'The server has more requests than it may queue, or more bytes of them than it keeps.',
  },
  SHUTTING_DOWN: { status: 503, summary: 'The server is finishing its last requests.' },
  DEADLINE_EXCEEDED: { status: 504, summary: 'The request took longer than the server allows.' },
} as const satisfies Record<string, { status: number; summary: string }>;

export type ErrorCode = keyof typeof errorCodes;

const marker = Symbol.for('block-attention.error');

/** The one error class of the package. Match on `code`, never on the message. */
export class BlockAttentionError extends Error {
  override readonly name = 'BlockAttentionError';
  readonly code: ErrorCode;
  /** HTTP status that fits the code. */
  readonly status: number;
  readonly [marker] = true;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.status = errorCodes[code].status;
  }

  /** True for errors of this package, also across duplicated installs of it. */
  static isInstance(value: unknown): value is BlockAttentionError {
    return typeof value === 'object' && value !== null && marker in value;
  }
}
