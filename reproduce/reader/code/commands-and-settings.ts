/** Settings in a file, commands of a tool, headers of an interface: what is read from code. */
import { between, type Fact, page, upper } from '../facts/fact.ts';
import { said, some, unsaid, type Write } from '../made-up-page.ts';
import { commands, headers, keys, sections } from './code-words.ts';

export const commandsAndSettings: Readonly<Record<string, Write>> = {
  settings(random, product) {
    const tool = product.toLowerCase().replaceAll(/[^a-z]+/g, '');
    const parts = some(random, sections, 2);
    const form = random.pick(['yaml', 'ini', 'json', 'env'] as const);
    const lines: string[] = [];
    const facts: Fact[] = [];
    for (const part of parts) {
      const chosen = some(random, keys, between(random, 3, 5));
      if (form === 'yaml') lines.push(`${part}:`);
      if (form === 'ini') lines.push(`[${part}]`);
      if (form === 'json') lines.push(`  "${part}": {`);
      chosen.forEach(([key, words, values], i) => {
        const value = random.pick(values as readonly string[] as [string]);
        const bare = value.replaceAll('"', '');
        const line = {
          yaml: `  ${key}: ${value}`,
          ini: `${key} = ${bare}`,
          json: `    "${key}": "${bare}"${i < chosen.length - 1 ? ',' : ''}`,
          env: `${part}_${key}=${bare}`.toUpperCase().replace(/=.*/, `=${bare}`),
        }[form];
        lines.push(line);
        const question = random.pick([
          `Which ${words} does the ${part} have in the example?`,
          `What is the ${words} of the ${part}?`,
          `what is ${key} set to for the ${part}?`,
          `What ${words} is set for the ${part}?`,
        ]);
        facts.push({ text: line, asked: [said(question, bare, line.trim())] });
      });
      if (form === 'json') lines.push(part === parts.at(-1) ? '  }' : '  },');
    }
    const body = form === 'json' ? ['{', ...lines, '}'] : lines;
    const absent = keys.find(([key]) => !lines.some((line) => line.toLowerCase().includes(key)));
    const intro = random.pick([
      `An example of \`${tool}.${form}\`:`,
      `Put this into \`~/.${tool}\`:`,
      'A file that works, to begin with:',
    ]);
    return {
      markdown: `# ${random.pick([`Setting up ${product}`, `${product}: an example`, `Configuration of ${product}`])}\n\n${intro}\n\n\`\`\`${form}\n${body.join('\n')}\n\`\`\`\n`,
      questions: [
        ...random.shuffle(facts.flatMap(({ asked }) => asked)),
        ...(absent === undefined ? [] : [unsaid(`What is the ${absent[1]} of the ${parts[0]}?`)]),
      ],
    };
  },

  commands(random, product) {
    const tool = product.toLowerCase().replaceAll(/[^a-z]+/g, '');
    const [absent, ...chosen] = some(random, commands, between(random, 5, 8));
    const form = random.integer(3);
    const rows = chosen.map(([does, names]): Fact => {
      const command = `${tool} ${random.pick(names as readonly string[] as [string])}`;
      const text =
        [`| \`${command}\` | ${does} |`, `- \`${command}\`: ${does}`, `${command.padEnd(24)}# ${does}`][form] ?? '';
      return {
        text,
        asked: [
          said(
            random.pick([
              `How do I ${does}?`,
              `Which command do I need to ${does}?`,
              `what do I type to ${does}?`,
              `Which command is there to ${does}?`,
            ]),
            command,
            form === 2 ? does : text,
          ),
        ],
      };
    });
    const body = rows.map(({ text }) => text).join('\n');
    const title = random.pick([
      `${product} on the command line`,
      `Commands of ${tool}`,
      `${product}: working in a shell`,
    ]);
    const parts = [`| Command | What it does |\n|---|---|\n${body}`, body, `\`\`\`bash\n${body}\n\`\`\``];
    return {
      markdown: `# ${title}\n\n${parts[form]}\n`,
      questions: [...random.shuffle(rows.flatMap(({ asked }) => asked)), unsaid(`How do I ${absent?.[0]}?`)],
    };
  },

  headers(random, product) {
    const name = product.split(' ')[0] ?? product;
    const [absent, ...chosen] = some(random, headers, between(random, 4, 6));
    const facts = chosen.map(([what, names]): Fact => {
      const header = `X-${name}-${random.pick(names as readonly string[] as [string])}`;
      const text = random.pick([
        `- \`${header}\`: ${what}`,
        `\`${header}\` carries ${what}.`,
        `${upper(what)} stands in \`${header}\`.`,
        `With every answer comes \`${header}\`, ${what}.`,
      ]);
      return {
        text,
        asked: [
          said(
            random.pick([
              `Which header carries ${what}?`,
              `In which header is ${what}?`,
              `what is the header with ${what} called?`,
            ]),
            header,
            text,
          ),
        ],
      };
    });
    return page(random, [`${product} API: headers`, `Calling ${product}`, `Messages from ${product}`], facts, [
      `Which header carries ${absent?.[0]}?`,
    ]);
  },
};
