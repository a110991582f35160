import { describe, expect, it } from 'vitest';
import { formatDate } from './format-date.ts';

const standard = '%a|%A|%w|%d|%b|%B|%m|%y|%Y|%H|%I|%p|%M|%S|%f|%z|%Z|%j|%U|%W|%c|%x|%X|%%|%G|%u|%V';
const further = '%C|%D|%e|%F|%g|%h|%k|%l|%P|%r|%R|%T|%n|%t';
const flags = '%-d|%-m|%-H|%-I|%-j|%-y|%_d|%_m|%^B|%^a|%0e|%-U|%-S';

describe('formatDate', () => {
  // What Python 3.11 gives on Linux in the C locale.
  it.each([
    [
      new Date(2026, 2, 7, 13, 5, 9, 42),
      'Sat|Saturday|6|07|Mar|March|03|26|2026|13|01|PM|05|09|042000|||066|09|09|Sat Mar  7 13:05:09 2026|03/07/26|13:05:09|%|2026|6|10',
      '20|03/07/26| 7|2026-03-07|26|Mar|13| 1|pm|01:05:09 PM|13:05|13:05:09|\n|\t',
      '7|3|13|1|66|26| 7| 3|MARCH|SAT|07|9|9',
    ],
    [
      new Date(2027, 0, 1),
      'Fri|Friday|5|01|Jan|January|01|27|2027|00|12|AM|00|00|000000|||001|00|00|Fri Jan  1 00:00:00 2027|01/01/27|00:00:00|%|2026|5|53',
      '20|01/01/27| 1|2027-01-01|26|Jan| 0|12|am|12:00:00 AM|00:00|00:00:00|\n|\t',
      '1|1|0|12|1|27| 1| 1|JANUARY|FRI|01|0|0',
    ],
    [
      new Date(2024, 11, 30, 12, 30, 1),
      'Mon|Monday|1|30|Dec|December|12|24|2024|12|12|PM|30|01|000000|||365|52|53|Mon Dec 30 12:30:01 2024|12/30/24|12:30:01|%|2025|1|01',
      '20|12/30/24|30|2024-12-30|25|Dec|12|12|pm|12:30:01 PM|12:30|12:30:01|\n|\t',
      '30|12|12|12|365|24|30|12|DECEMBER|MON|30|52|1',
    ],
    [
      new Date(2023, 0, 1, 23, 59, 59),
      'Sun|Sunday|0|01|Jan|January|01|23|2023|23|11|PM|59|59|000000|||001|01|00|Sun Jan  1 23:59:59 2023|01/01/23|23:59:59|%|2022|7|52',
      '20|01/01/23| 1|2023-01-01|22|Jan|23|11|pm|11:59:59 PM|23:59|23:59:59|\n|\t',
      '1|1|23|11|1|23| 1| 1|JANUARY|SUN|01|1|59',
    ],
  ])('is Python\u2019s for %s', (date, ...expected) => {
    expect([standard, further, flags].map((format) => formatDate(date, format))).toEqual(expected);
  });

  it('keeps what is not a directive', () => {
    expect(formatDate(new Date(2026, 0, 31), 'am 31. \u{1F600}\n%d')).toBe('am 31. \u{1F600}\n31');
  });

  it.each(['%Q', '%', 'at 100%', '%-Q', '%\u{1F600}', '%E', '% d', '%i'])('refuses %j', (format) => {
    const refused = () => formatDate(new Date(), format);
    expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_TEMPLATE' }));
  });
});
