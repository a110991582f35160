import { describe, expect, it } from 'vitest';
import { abstains } from './abstention.ts';

describe('abstains', () => {
  it.each([
    '',
    ' … ',
    'Not mentioned.',
    'not mentioned in the documents',
    'Not explicitly stated',
    "I don't know.",
    'I don’t have enough information to answer.',
    "I'm sorry, but I cannot find the answer in the passages.",
    'The documents do not mention when the bridge was opened.',
    'The provided documents do not say.',
    'The passage does not contain information about it.',
    'The context provided does not give an answer.',
    'The answer is not given in the text.',
    'The question cannot be answered from the documents.',
    'There is no information about this.',
    'There is not enough information in the documents.',
    'No information.',
    'Insufficient information',
    'None of the documents say so.',
    'Unknown',
    'N/A',
    'Unfortunately, the documents do not specify that.',
    'Based on the provided documents, it is not possible to say.',
    'Answer: unanswerable',
    'It is not known.',
  ])('is true of %j', (answer) => expect(abstains(answer)).toBe(true));

  it.each([
    '1911',
    'No',
    'Norway',
    'The treaty does not mention Spain',
    'The bridge was not opened until 1911.',
    'It does not rain in July.',
    'It is not a city but a county.',
    "I don't like green eggs",
    'Not Without My Daughter',
    'There is no place like home',
    'Unknown Pleasures was released in 1979',
    'unanswered prayers',
    'None Shall Pass',
    'no one',
    'The answer is 42.',
    'The information age began in 1971',
    'Cannot Buy My Soul',
  ])('is false of %j', (answer) => expect(abstains(answer)).toBe(false));
});
