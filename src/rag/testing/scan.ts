/**
 * A page as a scanner gives it, a picture without text, in a PDF. The picture is this project's own: a heading and two
 * paragraphs, set in DejaVu Sans, a bit per pixel, deflated. For tests.
 */

const [width, height] = [720, 270];
const picture = [
  'eNrt28GOG7cZB3BOJ8jAQCCmtwRYLH3r1b25gCEip75GihxyXbcXF1DFMRbo5mCYfYBg+SbNLGSYOQSZRzAVApmjOZ5DKZTl134cab1rZ52VZA',
  'EJyv8OhF1p9rdazkcOxZEAcnJycnJycnJycnJ+KYnl5ruGvfVgzXdlCSHHGzmSt+RIOO7C9pTD20I4mOzfj4zMgeTqrYc9hfci05vknQqkEfEd',
  'ssO7agF7yP9eywIgALTjYy8u5ZcA/0rbf9b73lKuBWBT1oQ3FdTm5IhQ/HOeQE0EyoGISGgkFAhLu99WJjyQKsl1AXV98skHFcqG8LXsCPek8q',
  'SKpIrlLQ9oIyIhzJMS5SnBp3ny8QdVqAAawtZyQ6gjlUO8jL/ZRqaOFCg/IETU5IR8WIb0P9BLGVmDtwXuvoVsJqNc1Hwtp3Kr1nJ9vzKTyhxV',
  '7kOylXxCDa+xNnxleD05IbpMheyrdW2QUBrR4cbqSE6q28qFp40YZepYzV0JhacQi1Cu5SKWRgBuvJkX/tZy6atGNALQdawWroLCM4hlvCpzMB',
  'wa0cyLsJVMSJIJYTV2j9pdleeEFKYEU0JDyLx8z7Ij3BC+rRyq+g25cRzCGzJ1hO4rM2g+T3LxWg6pD24vN2/J4nprlJC2HWSRxjqH4xLK5u41',
  'ucABtQRXNnj3TjLdyERcqzrcs4BYNnxrmcexp8A3SXYErvUUHJMLgNLwuKVsmB97d+SX8tXeDYsOyi6Whvlt5YqgHAozyj7JZCPXD0ozw81V9Z',
  'ayI6NMyFrGlq0JXcsNKU3aHCFbyn6U4zW5IWwtJxbHZ7+1HEY5nbBQDnjWNYSv5TTsU4Onwm1lwPOgp2AKeC17sjl3BzyfcZww1dWt5c1cY30+',
  'Zldnvi8uH7YAOm1ht7nHldltBQdKOJxMDyXXh5PZwWT+K5Tzi9mcnJycnJycnJwxhOj0Amgz91RXX6ykO9NNd7PQv1t2PyH7n5SjuKUcRJIHeO',
  '9yHGX765Kfs8CgnlbDkz/xDpSBOghpoAYzuQcG4L5o4JMvaaR2NUgofAlPuOeef8fA8efM//5G+VnlKqhn5auPPmMaVM3JXMh6SoSb3OU1B7z5',
  '+PPSV3b1ikbiS/iKGmrYtxQMfVa5394oXyyWC7C+dzPGWlCUzadcHU+nwscJmzCg7J+8Mra3duVEDHMBp2eLMy0XGl7Ki8Xy4kZ5YbsBbO9d4K',
  'oFxSUc82N+LMBHxrgCpkDRZT/0dtUDxKmAM611q7UG6BbWLm8+goPuwQ6hD0LKJCt+LM5R5uf/+4lJUMyu8AsP1lSA7PCr7QC69Ms3y+1GbhWc',
  '87ZhbCrOeZKFBC4NY9Z3K7saAOpRtgplX/2M3BRgDUGZwTmhNTufkkmVZEKBy5qi7JNMNrJtLZjyVvIQhE4yU+czQh+/lqm8lCNPshrlhU3/8D',
  'taA8BaGILoOJzzyNXTOS6Qp9YA4JK/loO4+pxb+3PtvJF/GGX23VxAeFNO7Rzmr9v5FrIGsAPKr8QoP4scYpL5Rkb3qixvJXcAtkfZCVAsTl/L',
  'apQpW/a2H/oBwizJWkuN8kIP76zn5QDWh7Us5REzQL8OIkSuqAIujygzS2f75QDx/pSD7BZnC9la0KUe3tEH9eBKsAFrwwOohhK1hPqIQJhwVb',
  'Ox6kzpK39ngFjwEmSH48a66lzxDjlUYKFYy4afqiUYXkKccGU4cHkh2Y800vDpAFDxU5AdjnWtBfeFHm4c664vBx7sdLs6mNwfTB4OJp8eTD7L',
  'M7ucnFsEp53LK6NT3PMSR39NfnwwWR5MVr98+TmrzEdi+vAJNxzuCTMrHP96TiF8GujwdL7HhYRnR4U5EtPPvqINg7u8eVAY9o9HJfg7rno1me',
  '3xpC983wcxpadn8gVQJpnS8rS30C8H6+aP9miNRe9RZmdaATDJpJL6zPY4aepdfLiHrNOUfMpll2TeKqllt0J51ccv3ossAXjLW6U6lLtVKPr4',
  'x31kRx6O8gUA/55QlA2BbuWLPu5zxU2bJAvZ4UQLZdapBmW3GvaTB+hHOTDg33NQqlP4qgmny/u1xqUM8rpsV8N+R7CHPm5kJlHWyuJU3fbDfl',
  'XXwyrOL2UGSl6R9+kp2s9W8QHKisGEyVZpqtwK3EV/McTZHt1bB+JpgXJaFmioMkz5AseNO0OcP9hDhiLQU5QbgHvCMeW4iiWOdX8Yojja95J8',
  'Tk5OTk5OTk5OTk5Ozv9bIkvLcm9e7zD40Zy95X4t6/VdLL0vd+/3KYeb5L/v+97qQNPq5Zuyh2/kvrK8Qd58Hm/n+BbMRDwefGA1hzIwd0zw0w',
  '34hzy777mST+/t9HZor8EcCzL0rqpFKHxlJoWho+zoXUelfHqXkx0KZaWhj/PpYK3W4P/WW/2S6Zdja9iXldWSnk+O+Q5y30EfZ2LQ2mrwYIcW',
  'WJvaWYIGqru2OmfHu9Q2LtvGRzDIdtDQQ9dfygyXrFrb/u44XVDfOsOQ5FcM5QG6XgPTV2WN8i4L3LgaHB+BE02Bsl4ZYAblyNMy2/D8yylX1a',
  '7yX8GJei07xlLVBQF4FX348S9TrnapOlOMz5m3MMqRsohVl44hyn+ecuV2aOiGjEeQreUeNDawx56Jsv0B5bhDQ2u/rg0NY22gnOovya01r+a7',
  'yTLAaqxn6FI9g1bQgh8/nMN15/zOsljF2XSwy6HDPrhopWqxNSTA4iW3Zyifz2bbyyoIP0njRmk4jhsNqxsGNa0rcJQ7mmQStpdZFGEc6yqXxj',
  'ojGiNG2TPueY9vECkD5OTk5OTk5OTk5OTk5OTk5OTk5Bw2/wWTEUKK',
].join('');

export const scannedText = {
  heading: 'The ferry of Tessen',
  paragraphs: ['The ferry leaves the harbour at noon and returns before dark.', 'A ticket costs 12 crowns.'],
} as const;

/** @param pages how many of the same @param mask whether the picture is painted through as a mask */
export function scannedPdf(pages = 1, { mask = false }: { readonly mask?: boolean } = {}): Buffer {
  const stream = Buffer.from(picture, 'base64');
  const kind = mask ? '/ImageMask true' : '/ColorSpace /DeviceGray';
  const content = `${width} 0 0 ${height} 0 0 cm /P Do`;
  const kids = Array.from({ length: pages }, (_, i) => `${5 + i} 0 R`).join(' ');
  const page = `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${width} ${height}] /Contents 3 0 R /Resources << /XObject << /P 4 0 R >> >> >>`;
  const objects: (string | Buffer)[] = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    `<< /Type /Pages /Count ${pages} /Kids [${kids}] >>`,
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    Buffer.concat([
      Buffer.from(
        `<< /Type /XObject /Subtype /Image /Width ${width} /Height ${height} /BitsPerComponent 1 ${kind} /Filter /FlateDecode /Length ${stream.length} >>\nstream\n`,
      ),
      stream,
      Buffer.from('\nendstream'),
    ]),
    ...Array.from({ length: pages }, () => page),
  ];
  const parts = [Buffer.from('%PDF-1.4\n')];
  const offsets: number[] = [];
  let at = parts[0]?.length ?? 0;
  for (const [i, object] of objects.entries()) {
    const part = Buffer.concat([Buffer.from(`${i + 1} 0 obj\n`), Buffer.from(object), Buffer.from('\nendobj\n')]);
    offsets.push(at);
    at += part.length;
    parts.push(part);
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  parts.push(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${at}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(parts);
}
