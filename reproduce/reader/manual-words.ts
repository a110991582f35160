/** What the made-up pages of manual-pages.ts speak of. All names are invented. */

export const syllables = [
  've',
  'lo',
  'ra',
  'tun',
  'dra',
  'mi',
  'ko',
  'sol',
  'an',
  'bri',
  'que',
  'zen',
  'pal',
  'or',
  'ti',
  'fen',
];
export const people = [
  'Priya',
  'Tomás',
  'Annika',
  'Joel',
  'Mei',
  'Farid',
  'Ingrid',
  'Kofi',
  'Lena',
  'Rajesh',
  'Sofia',
  'Emil',
  'Nadia',
  'Owen',
  'Yuki',
  'Carla',
  'Bashir',
  'Ruth',
  'Diego',
  'Hanne',
] as const;
export const things = [
  'router',
  'heat pump',
  'label printer',
  'camera',
  'dehumidifier',
  'drill',
  'projector',
  'smoke alarm',
  'scooter',
  'kettle',
  'thermostat',
  'hearing aid',
  'telescope',
  'tablet',
  'air purifier',
  'sewing machine',
  'lawn mower',
  'scale',
  'doorbell',
  'e-reader',
] as const;
export const colours = ['red', 'blue', 'green', 'amber', 'white', 'violet'] as const;
export const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

/** Settings of software: name, what it controls, values as written. */
export const settings: readonly (readonly [name: string, controls: string, values: readonly string[]])[] = [
  ['cache_size', 'how much memory cached pages may take', ['64 MB', '128 MB', '256 MB', '512 MB', '1 GB']],
  [
    'session_timeout',
    'after how long idle users are signed out',
    ['10 minutes', '15 minutes', '30 minutes', '2 hours'],
  ],
  ['log_level', 'how much is written to the log', ['warn', 'info', 'debug', 'error']],
  ['max_upload', 'the largest file that may be uploaded', ['5 MB', '20 MB', '50 MB', '2 GB']],
  ['retry_count', 'how often a failed request is repeated', ['2', '3', '5', '8']],
  ['backup_time', 'when the nightly backup starts', ['01:30', '02:00', '03:15', '23:45']],
  ['listen_port', 'the port the web interface listens on', ['8080', '8443', '9000', '3100', '5001']],
  ['theme', 'the colours of the interface', ['dark', 'light', 'system', 'contrast']],
  ['worker_threads', 'how many jobs run at the same time', ['2', '4', '6', '16']],
  ['retention_days', 'for how long deleted items are kept', ['7', '14', '30', '90']],
  ['smtp_host', 'the server that sends mail', ['mail.internal', 'smtp.example.org', 'relay.local']],
  ['language', 'the language of messages', ['en', 'de', 'fr', 'pt-BR']],
  ['poll_interval', 'how often sensors are read', ['5 s', '20 s', '60 s', '10 min']],
  ['auto_update', 'whether updates are installed by themselves', ['on', 'off', 'security only']],
  ['max_connections', 'how many clients may be connected', ['50', '100', '250', '1000']],
  ['compression', 'how stored files are packed', ['none', 'gzip', 'zstd', 'lz4']],
];

/** Properties of a device: label, questions about it, values. `{it}` is the device. */
export const specifications: readonly (readonly [
  label: string,
  questions: readonly string[],
  values: readonly string[],
])[] = [
  [
    'Weight',
    ['How much does {it} weigh?', 'How heavy is {it}?', 'What is the weight of {it}?'],
    ['340 g', '1.2 kg', '2.8 kg', '7.5 kg', '14 kg'],
  ],
  [
    'Battery life',
    ['How long does the battery of {it} last?', 'What is the battery life of {it}?'],
    ['6 hours', '11 hours', '3 days', '14 hours', '5 weeks'],
  ],
  [
    'Charging time',
    ['How long does {it} take to charge?', 'How long does charging take?'],
    ['45 minutes', '90 minutes', '2.5 hours', '4 hours'],
  ],
  [
    'Power',
    ['How much power does {it} draw?', 'What is the power consumption of {it}?'],
    ['12 W', '45 W', '150 W', '900 W', '1,800 W'],
  ],
  ['Noise', ['How loud is {it}?', 'What noise level does {it} have?'], ['22 dB', '34 dB', '41 dB', '58 dB']],
  [
    'Operating temperature',
    ['At which temperatures can {it} be used?', 'What is the operating temperature?'],
    ['0 to 35 °C', '-10 to 40 °C', '5 to 45 °C'],
  ],
  [
    'Warranty',
    ['How long is the warranty on {it}?', 'How many years of warranty does {it} have?'],
    ['1 year', '2 years', '3 years', '5 years'],
  ],
  ['Cable length', ['How long is the cable?', 'What is the cable length of {it}?'], ['0.9 m', '1.5 m', '1.8 m', '3 m']],
  ['Tank', ['How much does the tank of {it} hold?', 'How big is the tank?'], ['0.8 l', '1.7 l', '2.4 l', '6 l']],
  [
    'Protection class',
    ['What protection class does {it} have?', 'Which IP rating does {it} have?'],
    ['IP44', 'IP54', 'IP65', 'IP67'],
  ],
  [
    'Part number',
    ['What is the part number of {it}?', 'Which part number does {it} have?'],
    ['VX-2041', 'TR-118-B', 'M40-77', 'QN-9003'],
  ],
];

export const faults: readonly (readonly [meaning: string, remedy: string])[] = [
  ['the filter is clogged', 'clean the filter'],
  ['the motor is too hot', 'let it cool for 20 minutes'],
  ['no water reaches the pump', 'open the valve'],
  ['the door is not closed', 'close the door firmly'],
  ['the sensor gives no signal', 'replace the sensor'],
  ['the battery is almost empty', 'charge the battery'],
  ['the network cannot be reached', 'restart the router'],
  ['the cartridge is missing', 'insert a cartridge'],
  ['the voltage is too low', 'use another socket'],
  ['the memory is full', 'delete old recordings'],
  ['the firmware is damaged', 'install the firmware again'],
  ['the belt has slipped', 'tighten the belt'],
];

export const tasks = [
  'migrate the billing database',
  'order new badges',
  'write the release notes',
  'renew the certificate',
  'call the landlord',
  'interview the candidates',
  'update the price list',
  'move the old servers',
  'prepare the trade fair',
  'rewrite the onboarding guide',
  'check the fire extinguishers',
  'close the old support mailbox',
  'test the new scanner',
  'translate the manual',
] as const;

export const changes = [
  'export to CSV',
  'dark mode',
  'single sign-on',
  'offline maps',
  'bulk editing',
  'two-factor login',
  'keyboard shortcuts',
  'a calendar view',
  'automatic backups',
  'search in attachments',
  'push notifications',
  'a public API',
] as const;

export const defects = [
  'crashed when a file name held an emoji',
  'lost the last line of long notes',
  'showed the wrong time zone',
  'printed empty pages',
  'forgot the window size',
  'sent invitations twice',
  'drained the battery while idle',
  'sorted numbers as text',
] as const;

export const goods = [
  'shoes',
  'opened software',
  'gift cards',
  'furniture',
  'swimwear',
  'batteries',
  'sale items',
  'custom prints',
] as const;
export const resources = [
  'invoices',
  'customers',
  'tickets',
  'sensors',
  'orders',
  'projects',
  'devices',
  'webhooks',
] as const;
