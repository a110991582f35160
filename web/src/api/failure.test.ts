import { describe, expect, it } from 'vitest';
import { asFailure, Failure, failureOf } from './failure.ts';

const body = (code: string, message = 'why') => JSON.stringify({ error: { code, message } });

describe('failureOf', () => {
  it.each([
    [401, body('unauthorized'), 'key'],
    [429, body('overloaded'), 'busy'],
    [503, body('shutting_down'), 'busy'],
    [400, body('context_length_exceeded'), 'overflow'],
    [413, body('request_too_large'), 'overflow'],
    [500, body('internal'), 'other'],
  ] as const)('%i %s is %s', (status, text, kind) => {
    expect(failureOf(status, text, null)).toMatchObject({ kind, message: 'why' });
  });

  it('waits as long as it is told to', () => {
    expect(failureOf(429, body('overloaded'), '7').retryAfter).toBe(7);
    expect(failureOf(429, body('overloaded'), 'Wed, 21 Oct').retryAfter).toBe(1);
  });

  it('copes with what is not JSON', () => {
    expect(failureOf(502, '<html>', null)).toMatchObject({ kind: 'other', message: 'HTTP 502' });
  });
});

describe('asFailure', () => {
  it('tells a cancelled request from a broken connection', () => {
    expect(asFailure(new DOMException('', 'AbortError'))).toBeUndefined();
    expect(asFailure(new TypeError('Failed to fetch'))).toMatchObject({ kind: 'unreachable' });
    const failure = new Failure('key', 'x');
    expect(asFailure(failure)).toBe(failure);
  });
});
