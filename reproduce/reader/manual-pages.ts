/**
 * Pages as people have them (settings, data sheets, error codes, questions and answers, minutes, releases, policies, an API,
 * procedures, prices), made up from seeded words, with questions, their answers and the line each stands in. Some questions
 * are about something of the same kind that the page does not name: nothing answers them.
 */
import type { Random } from '@block-attention/engine/internal/base';
import { type ManualPage, said, some, unsaid, type Write } from './made-up-page.ts';
import {
  changes,
  colours,
  defects,
  faults,
  goods,
  months,
  people,
  resources,
  settings,
  specifications,
  syllables,
  tasks,
  things,
} from './manual-words.ts';

export function manualPage(random: Random): ManualPage {
  const [kind, write] = one(random, Object.entries(kinds));
  return { kind, ...write(random, productName(random)) };
}

function one<T>(random: Random, values: readonly T[]): T {
  const value = values[random.integer(values.length)];
  if (value === undefined) throw new Error('there is a value');
  return value;
}

export function productName(random: Random): string {
  const name = some(random, syllables, 2 + random.integer(2)).join('');
  const model = one(random, [
    '',
    ` ${one(random, ['X', 'K', 'S', 'R'])}${1 + random.integer(9)}`,
    ` ${100 * (1 + random.integer(9))}`,
    ' Pro',
    ' Mini',
  ]);
  return name.charAt(0).toUpperCase() + name.slice(1) + model;
}

const kinds: Readonly<Record<string, Write>> = {
  settings(random, product) {
    const chosen = some(random, settings, 5 + random.integer(4));
    const [absent] = settings.filter((setting) => !chosen.includes(setting));
    const rows = chosen.map(([name, controls, values]) => {
      const value = one(random, values);
      const row = `| \`${name}\` | ${value} | ${controls} |`;
      const ask = one(random, [
        said(
          one(random, [
            `What is the default of ${name}?`,
            `What is ${name} set to by default?`,
            `Which value does ${name} have by default?`,
          ]),
          value,
          row,
        ),
        said(one(random, [`What does ${name} control?`, `What is ${name} for?`]), controls, row),
        said(
          one(random, [`Which setting controls ${controls}?`, `How is the setting called that says ${controls}?`]),
          name,
          row,
        ),
      ]);
      return { row, ask };
    });
    return {
      markdown: `# ${product} settings\n\n${one(random, ['All settings live in one file.', 'Settings are read once at start.', 'Change these in the admin console.'])}\n\n## Reference\n\n| Setting | Default | What it controls |\n|---|---|---|\n${rows.map(({ row }) => row).join('\n')}\n`,
      questions: [
        ...rows.map(({ ask }) => ask),
        ...(absent === undefined ? [] : [unsaid(`What is the default of ${absent[0]}?`)]),
      ],
    };
  },

  dataSheet(random, product) {
    const thing = one(random, things);
    const chosen = some(random, specifications, 5 + random.integer(3));
    const [absent] = specifications.filter((entry) => !chosen.includes(entry));
    const it = (question: string) => question.replace('{it}', one(random, [`the ${product}`, `the ${thing}`, product]));
    const rows = chosen.map(([label, questions, values]) => {
      const value = one(random, values);
      const row = `- **${label}:** ${value}`;
      return { row, ask: said(it(one(random, questions)), value, row) };
    });
    const maker = `The ${product} is a ${thing} for ${one(random, ['homes', 'small offices', 'workshops', 'schools'])}.`;
    return {
      markdown: `# ${product}\n\n${maker}\n\n## Technical data\n\n${rows.map(({ row }) => row).join('\n')}\n`,
      questions: [
        ...rows.map(({ ask }) => ask),
        said(`What kind of device is the ${product}?`, `a ${thing}`, maker),
        ...(absent === undefined ? [] : [unsaid(it(one(random, absent[1])))]),
      ],
    };
  },

  errorCodes(random, product) {
    const chosen = some(random, faults, 5 + random.integer(4));
    const letter = one(random, ['E', 'F', 'A', 'ERR-']);
    const numbers = some(
      random,
      Array.from({ length: 40 }, (_, i) => i + 1),
      chosen.length + 1,
    ).map((n) => `${letter}${String(n).padStart(2, '0')}`);
    const rows = chosen.map(([meaning, remedy], i) => {
      const code = numbers[i] ?? letter;
      const row = `| ${code} | ${meaning.charAt(0).toUpperCase()}${meaning.slice(1)} | ${remedy.charAt(0).toUpperCase()}${remedy.slice(1)} |`;
      const ask = one(random, [
        said(
          one(random, [
            `What does ${code} mean?`,
            `What does the error ${code} on the ${product} stand for?`,
            `The display shows ${code}. Why?`,
          ]),
          meaning,
          row,
        ),
        said(one(random, [`What should I do about ${code}?`, `How do I fix error ${code}?`]), remedy, row),
        said(`Which code is shown when ${meaning}?`, code, row),
      ]);
      return { row, ask };
    });
    return {
      markdown: `# ${product}: error codes\n\nThe display shows a code when something is wrong.\n\n| Code | Meaning | What to do |\n|---|---|---|\n${rows.map(({ row }) => row).join('\n')}\n`,
      questions: [...rows.map(({ ask }) => ask), unsaid(`What does ${numbers.at(-1)} mean?`)],
    };
  },

  minutes(random, product) {
    const team = some(random, people, 5);
    const day = `${1 + random.integer(28)} ${one(random, months)}`;
    const decided = some(random, tasks, 4).map((task, i) => {
      const who = team[i] ?? 'Ruth';
      const due = `${1 + random.integer(28)} ${one(random, months)}`;
      const line = one(random, [
        `- ${who} will ${task} by ${due}.`,
        `- ${who}: ${task} (due ${due})`,
        `- We agreed that ${who} should ${task} before ${due}.`,
      ]);
      const ask = one(random, [
        said(one(random, [`Who will ${task}?`, `Who is to ${task}?`, `Whose job is it to ${task}?`]), who, line),
        said(one(random, [`By when will ${who} ${task}?`, `What is the deadline to ${task}?`]), due, line),
        said(`What will ${who} do?`, task, line),
      ]);
      return { line, ask };
    });
    const room = one(random, ['Room 4', 'the canteen', 'a video call', 'the small office', 'Room 2.17']);
    const where = `The team met on ${day} in ${room}. ${team[4]} took the minutes.`;
    const other = tasks.find((task) => !decided.some(({ line }) => line.includes(task)));
    return {
      markdown: `# ${product} project meeting, ${day}\n\n${where}\n\n## Decisions\n\n${decided.map(({ line }) => line).join('\n')}\n`,
      questions: [
        ...decided.map(({ ask }) => ask),
        said('Who took the minutes?', team[4] ?? '', where),
        said(`When did the ${product} team meet?`, day, where),
        unsaid(`Who will ${other}?`),
      ],
    };
  },

  releases(random, product) {
    const major = 1 + random.integer(8);
    const added = some(random, changes, 3);
    const mended = some(random, defects, 3);
    const versions = [2, 1, 0].map((minor, i) => {
      const version = `${major}.${minor}`;
      const date = `${1 + random.integer(28)} ${one(random, months)} ${2020 + random.integer(6)}`;
      const heading = `## ${version} (${date})`;
      const lines = [`- New: ${added[i]}`, `- Fixed: the app ${mended[i]}`];
      return { version, date, heading, lines, added: added[i] ?? '', mended: mended[i] ?? '' };
    });
    return {
      markdown: `# ${product} release notes\n\n${versions.map(({ heading, lines }) => `${heading}\n\n${lines.join('\n')}`).join('\n\n')}\n`,
      questions: [
        ...versions.flatMap(({ version, lines, added: feature, mended: defect }) => [
          said(
            one(random, [`Which version added ${feature}?`, `Since which version does ${product} have ${feature}?`]),
            version,
            lines[0] ?? '',
          ),
          said(
            one(random, [`What was fixed in ${version}?`, `Which bug does ${version} fix?`]),
            `the app ${defect}`,
            lines[1] ?? '',
          ),
        ]),
        said(`What is new in ${versions[0]?.version}?`, versions[0]?.added ?? '', versions[0]?.lines[0] ?? ''),
        unsaid(`What was fixed in ${major}.${3 + random.integer(4)}?`),
      ],
    };
  },

  policy(random, product) {
    const days = one(random, [14, 21, 30, 60, 100]);
    const free = one(random, [25, 40, 75, 120]);
    const fee = `${2 + random.integer(9)}.${one(random, ['00', '50', '95'])} euros`;
    const [excluded, allowed] = some(random, goods, 2);
    const back = `You can return goods within ${days} days of delivery. Refunds are paid within ${days / 2 > 14 ? 10 : 5} working days.`;
    const send = `Shipping costs ${fee}. Orders above ${free} euros ship free.`;
    const except = `We cannot take back ${excluded}. Returns of ${allowed} are accepted if unused.`;
    const hotline = `Call us on ${one(random, ['weekdays from 9 to 17', 'Monday to Saturday from 8 to 20', 'weekdays from 10 to 16'])}.`;
    return {
      markdown: `# ${product} shop: shipping and returns\n\n## Shipping\n\n${send}\n\n## Returns\n\n${back} ${except}\n\n## Help\n\n${hotline}\n`,
      questions: [
        said(
          one(random, [
            'How many days do I have to return something?',
            'How long can I return an order?',
            'Within what time can goods be sent back?',
          ]),
          `${days} days`,
          back,
        ),
        said(
          one(random, ['How much is shipping?', 'What does shipping cost?', 'What is the delivery fee?']),
          fee,
          send,
        ),
        said(
          one(random, ['From which amount is shipping free?', 'When do I not pay for shipping?']),
          one(random, [`above ${free} euros`, `${free} euros`]),
          send,
        ),
        said(`Can I return ${excluded}?`, 'No', except),
        said(`Can I return ${allowed}?`, 'Yes', except),
        said('When can I call you?', hotline.slice('Call us on '.length, -1), hotline),
        unsaid(
          one(random, [
            'Which payment methods do you accept?',
            'Do you ship abroad?',
            'Can I change my delivery address?',
          ]),
        ),
      ],
    };
  },

  api(random, product) {
    const [first, second] = some(random, resources, 2);
    const port = one(random, [8080, 3000, 9443, 7070, 4000]);
    const limit = one(random, [60, 100, 300, 1000]);
    const header = one(random, ['X-Api-Key', 'Authorization', 'X-Token', 'X-Client-Id']);
    const list = `curl -H "${header}: $KEY" http://localhost:${port}/v1/${first}`;
    const make = `curl -X POST http://localhost:${port}/v1/${second} -d '{"name": "test"}'`;
    const rate = `Each key may send ${limit} requests per minute; after that the server answers ${one(random, ['429', '503'])}.`;
    return {
      markdown: `# ${product} API\n\nThe server listens on port ${port}. Send your key in the header \`${header}\`.\n\n## List ${first}\n\n\`\`\`sh\n${list}\n\`\`\`\n\n## Create ${second}\n\n\`\`\`sh\n${make}\n\`\`\`\n\n## Limits\n\n${rate}\n`,
      questions: [
        said(
          one(random, ['Which port does the server listen on?', `What port does the ${product} API use?`]),
          `${port}`,
          `port ${port}`,
        ),
        said(
          one(random, [
            'Which header holds the key?',
            'Where do I put the API key?',
            'How is the header with the key called?',
          ]),
          header,
          `header \`${header}\``,
        ),
        said(one(random, [`Which path lists ${first}?`, `What is the endpoint for ${first}?`]), `/v1/${first}`, list),
        said(`Which HTTP method creates ${second}?`, 'POST', make),
        said(
          one(random, ['How many requests per minute are allowed?', 'What is the rate limit?']),
          one(random, [`${limit} requests per minute`, `${limit}`]),
          rate,
        ),
        unsaid(
          one(random, [`How do I delete ${first}?`, 'Which regions does the API run in?', 'How long is a key valid?']),
        ),
      ],
    };
  },

  procedure(random, product) {
    const seconds = one(random, [3, 5, 8, 10, 12, 15, 20]);
    const colour = one(random, colours);
    const minutes = one(random, [2, 4, 6, 10, 15, 30]);
    const button = one(random, ['reset button', 'power button', 'pairing key', 'wheel', 'side button']);
    const tool = one(random, ['a Torx T8 screwdriver', 'a coin', 'a paper clip', 'a 5 mm Allen key', 'a soft cloth']);
    const hold = `Hold the ${button} for ${seconds} seconds until the light blinks ${colour}.`;
    const wait = `Wait ${minutes} minutes; do not unplug it.`;
    const openIt = `Open the cover with ${tool}.`;
    const steps = random.shuffle([hold, wait, openIt]);
    return {
      markdown: `# How to reset the ${product}\n\n${one(random, ['Resetting deletes all personal data.', 'A reset keeps your data.', 'Do this only when nothing else helps.'])}\n\n${steps.map((step, i) => `${i + 1}. ${step}`).join('\n')}\n`,
      questions: [
        said(
          one(random, [`How long must I hold the ${button}?`, `For how many seconds is the ${button} held?`]),
          `${seconds} seconds`,
          hold,
        ),
        said(one(random, ['What colour does the light blink?', 'In which colour does the light blink?']), colour, hold),
        said(one(random, ['What do I need to open the cover?', 'Which tool opens the cover?']), tool, openIt),
        said(
          one(random, ['How long do I have to wait?', 'How many minutes does it take?']),
          `${minutes} minutes`,
          wait,
        ),
        said('Which button do I have to hold?', `the ${button}`, hold),
        unsaid(
          one(random, ['How do I replace the fuse?', 'Where is the serial number?', 'How do I connect it to Wi-Fi?']),
        ),
      ],
    };
  },

  prices(random, product) {
    const plans = some(
      random,
      ['Basic', 'Team', 'Plus', 'Business', 'Starter', 'Enterprise', 'Solo'],
      3 + random.integer(2),
    );
    const rows = plans.map((plan, i) => {
      const price = `€${(i + 1) * (3 + random.integer(12))}`;
      const users = `${(i + 1) * (1 + random.integer(20))}`;
      const space = `${2 ** (3 + i + random.integer(3))} GB`;
      const row = `| ${plan} | ${price} | ${users} | ${space} |`;
      const ask = one(random, [
        said(
          one(random, [`How much is ${plan} per month?`, `What does the ${plan} plan cost?`, `Price of ${plan}?`]),
          price,
          row,
        ),
        said(
          one(random, [`How many users does ${plan} include?`, `How many people can use the ${plan} plan?`]),
          users,
          row,
        ),
        said(
          one(random, [`How much storage comes with ${plan}?`, `How much space do I get with ${plan}?`]),
          space,
          row,
        ),
      ]);
      return { row, ask };
    });
    const notice = `You can cancel with ${one(random, ['14 days', '30 days', 'one month', 'three months'])} notice.`;
    return {
      markdown: `# ${product} plans\n\n| Plan | Per month | Users | Storage |\n|---|---|---|---|\n${rows.map(({ row }) => row).join('\n')}\n\n## Cancelling\n\n${notice}\n`,
      questions: [
        ...rows.map(({ ask }) => ask),
        said(
          one(random, ['What is the notice period?', 'How can I cancel?', 'With how much notice can I cancel?']),
          notice.replace('You can cancel with ', '').replace(' notice.', ''),
          notice,
        ),
        unsaid(
          one(random, [
            'Is there a student discount?',
            'Which plan includes phone support?',
            'Do you offer a free trial?',
          ]),
        ),
      ],
    };
  },
};
