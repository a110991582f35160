/** What made-up pages about software speak of. All of it is invented. */
import type { Texts } from '../facts/device-words.ts';

/** Keys of a configuration, what they are in words, and values that they take. */
export const keys: readonly (readonly [key: string, words: string, values: Texts])[] = [
  ['port', 'port', ['4021', '7010', '9322', '5055', '8129', '3690']],
  ['host', 'host', ['hub.example.org', '10.4.0.7', 'mail.example.net', 'files.local']],
  ['timeout', 'timeout', ['20s', '45s', '90s', '3m']],
  ['retries', 'number of retries', ['2', '4', '6', '9']],
  ['user', 'user', ['courier', 'svc-sync', 'nightly', 'robot']],
  ['schedule', 'schedule', ['"15 3 * * *"', '"0 5 * * 1"', '"45 22 * * *"']],
  ['level', 'log level', ['debug', 'info', 'warn']],
  ['workers', 'number of workers', ['3', '5', '12', '24']],
  ['region', 'region', ['north-2', 'eu-central', 'island-1']],
  ['bucket', 'bucket', ['photos-cold', 'team-archive', 'ledger-2']],
  ['interval', 'interval', ['30s', '10m', '2h']],
  ['path', 'path', ['/srv/data', '/var/spool/out', '/opt/share']],
  ['limit', 'limit', ['200', '1500', '64 MB', '12 MB']],
  ['keep', 'number of copies that are kept', ['7', '14', '31']],
  ['format', 'format', ['csv', 'jsonl', 'xml']],
  ['cache', 'cache size', ['256 MB', '2 GB', '512 MB']],
];

/** Parts of a configuration that have keys of their own. */
export const sections: Texts = ['source', 'target', 'mirror', 'proxy', 'queue', 'mailer', 'archive', 'metrics'];

/** What a command of a tool does, and words that it could be called by. */
export const commands: readonly (readonly [does: string, names: Texts])[] = [
  ['show what would be changed without changing anything', ['plan', 'preview', '--dry-run']],
  ['list all jobs', ['jobs', 'ls', 'list']],
  ['stop a running job', ['cancel', 'stop', 'halt']],
  ['start a job at once', ['run', 'start', 'now']],
  ['look at the log', ['log', 'tail', 'logs']],
  ['restore a folder from a copy', ['restore', 'pull', 'fetch']],
  ['delete old copies', ['prune', 'forget', 'clean']],
  ['test the connection', ['ping', 'probe', 'test']],
  ['check the settings for mistakes', ['lint', 'validate', 'verify']],
  ['print the version', ['version', '--version', 'about']],
  ['update the tool itself', ['upgrade', 'self-update', 'update']],
  ['make a new key', ['keygen', 'new-key', 'rotate']],
  ['add a user', ['useradd', 'invite', 'add-user']],
  ['export everything to a file', ['export', 'dump', 'save']],
  ['read a file back in', ['import', 'load', 'read']],
  ['lock an account', ['lock', 'suspend', 'block']],
  ['show how much space is left', ['df', 'space', 'usage']],
  ['repair the index', ['repair', 'fsck', 'rebuild']],
];

/** Headers and parameters of an API, by what they carry. */
export const headers: readonly (readonly [what: string, names: Texts])[] = [
  ['the signature of the message', ['Signature', 'Body-Digest', 'Seal']],
  ['the number of the delivery', ['Delivery', 'Event-Id', 'Message-No']],
  ['how many requests are left', ['Remaining', 'Quota-Left', 'Calls-Left']],
  ['when the limit is reset', ['Reset', 'Quota-Reset', 'Window-End']],
  ['the version of the interface', ['Api-Version', 'Schema', 'Revision']],
  ['the language of the answer', ['Locale', 'Language', 'Tongue']],
  ['the time of the request', ['Sent-At', 'Timestamp', 'Clock']],
  ['the name of the client', ['Client', 'Agent', 'Caller']],
  ['the key that makes a request safe to repeat', ['Idempotency', 'Once', 'Request-Key']],
  ['the page of a long list', ['Cursor', 'Page', 'Next']],
];

/** What the notes of a release speak of: things that break, and numbers that change. */
export const repaired: Texts = [
  'a crash when two files had the same name',
  'copies of more than 2 TB that never ended',
  'the clock that went wrong in summer',
  'mails that were sent twice',
  'logins that failed after a restart',
  'a slow start with many users',
  'wrong totals in the monthly report',
  'umlauts in file names',
  'the printer that was not found',
  'a memory leak in the indexer',
  'lost settings after an update',
  'the search that skipped the last page',
  'exports without the first column',
  'a frozen screen after waking up',
  'pictures that were turned by 90 degrees',
];
export const added: Texts = [
  'two-factor login',
  'a dark theme',
  'export to CSV',
  'snapshots',
  'keys for devices',
  'search in attachments',
  'a map of the network',
  'support for IPv6',
  'a command line tool',
  'webhooks',
  'single sign-on',
  'an app for tablets',
  'compressed copies',
  'a read-only role',
];
export const changed: readonly (readonly [what: string, values: Texts])[] = [
  ['the port of the web page', ['3000', '8088', '9443', '7700', '4430']],
  ['the default language', ['German', 'English', 'French', 'Danish']],
  ['the trial period', ['10 days', '14 days', '45 days', '60 days']],
  ['the longest password', ['32 characters', '64 characters', '128 characters']],
  ['the time until logout', ['15 minutes', '30 minutes', '2 hours', '8 hours']],
  ['the size of an upload', ['50 MB', '200 MB', '1 GB', '4 GB']],
  ['the number of free seats', ['3', '5', '10', '25']],
  ['the folder of the logs', ['/var/log/app', '/srv/logs', '/data/journal']],
  ['the database', ['SQLite', 'PostgreSQL', 'MariaDB']],
  ['the price of a seat', ['2.40 €', '3.10 €', '4.75 €', '5.20 €']],
];

/** What went wrong, why, and what became of it. */
export const faults: Texts = [
  'a full disk',
  'an expired licence',
  'a wrong entry in the name server',
  'a cable that was pulled out',
  'a script that ran twice',
  'a power cut in the cellar',
  'an update that was not tested',
  'a password that somebody had changed',
  'a broken fan',
  'a query without an index',
  'a firewall rule',
  'a clock that was an hour late',
];
export const troubles: Texts = [
  'the web shop was down',
  'no mails arrived',
  'the phones were dead',
  'orders were booked twice',
  'the copies were not made',
  'nobody could log in',
  'the reports were empty',
  'the door stayed locked',
];
export const lessons: Texts = [
  'a warning at 80 %',
  'a second line',
  'a check every morning',
  'a list of who may change it',
  'a copy in another building',
  'a test before every update',
  'a reminder thirty days ahead',
  'a spare part on the shelf',
];

/** Words of a glossary, with what they mean. */
export const terms: readonly (readonly [term: string, meaning: string])[] = [
  ['cold spare', 'a disk that lies in the cupboard until another one breaks'],
  ['grace period', 'the time in which a bill may still be paid without a fee'],
  ['soft limit', 'a limit that may be passed for a week'],
  ['dead letter', 'a message that could not be delivered to anybody'],
  ['pinned note', 'a note that stays at the top of the list'],
  ['shadow copy', 'a copy that is made while people go on working'],
  ['warm-up', 'the first ten minutes, in which measurements do not count'],
  ['parent account', 'the account that pays for others'],
  ['quiet hours', 'the time in which no message makes a sound'],
  ['safe mode', 'a start without any extensions'],
  ['orphan', 'a file that no folder names any more'],
  ['tare', 'the weight of the empty container'],
  ['float shift', 'a shift that has no fixed place'],
  ['trip level', 'the temperature at which the device turns itself off'],
  ['handover', 'the quarter of an hour that two shifts share'],
  ['split ticket', 'a ticket that two teams work on'],
  ['ghost user', 'a user who has not logged in for a year'],
  ['blind spot', 'the area that the sensor cannot see'],
  ['dry cycle', 'a run without water or goods'],
  ['master code', 'the code that opens every lock of a house'],
];
