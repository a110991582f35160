/**
 * Which files are read, and as what. Decided by name alone: contents are checked when the file is read.
 */
import { basename, extname } from 'node:path';
import type { DocumentType } from './document.ts';

export interface FileType {
  readonly type: DocumentType;
  /** Grammar of source code, where there is one: a key of `grammars` in languages.ts. */
  readonly language?: string | undefined;
}

const extensionsOf: Readonly<Record<DocumentType, string>> = {
  markdown: 'md markdown mdx mkd',
  html: 'html htm xhtml',
  text: 'txt text log rst adoc asciidoc org tex rtx srt vtt',
  pdf: 'pdf',
  table: 'csv tsv jsonl ndjson',
  word: 'docx docm rtf',
  slides: 'pptx pptm',
  sheet: 'xlsx xlsm',
  book: 'epub',
  notebook: 'ipynb',
  mail: 'eml',
  source:
    'json jsonc json5 yaml yml toml ini cfg conf properties env xml sql graphql proto gradle kt kts scala swift dart lua pl pm r jl ex exs erl hs clj cljs ml fs vb m mm zig nim sol tf vue svelte css scss less cmake mk',
};

/** Extensions of languages with a grammar. */
const languages: Readonly<Record<string, string>> = {
  ts: 'typescript',
  mts: 'typescript',
  cts: 'typescript',
  tsx: 'tsx',
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  jsx: 'javascript',
  py: 'python',
  pyi: 'python',
  go: 'go',
  rs: 'rust',
  java: 'java',
  c: 'cpp',
  h: 'cpp',
  cc: 'cpp',
  cpp: 'cpp',
  cxx: 'cpp',
  hpp: 'cpp',
  hh: 'cpp',
  cs: 'c-sharp',
  rb: 'ruby',
  php: 'php',
  sh: 'bash',
  bash: 'bash',
  ps1: 'powershell',
};

/** Names without an extension that are text. */
const textNames = /^(readme|license|licence|copying|authors|changelog|changes|contributing|notice|todo|news|install)$/i;
const sourceNames = /^(makefile|dockerfile|containerfile|jenkinsfile|vagrantfile|justfile|gemfile|rakefile)$/i;
/** Written by machines, for machines. */
const generated = /(^|[.-])(lock)\.(json|ya?ml)$|\.min\.(js|css)$|\.map$|^(yarn\.lock|go\.sum|npm-shrinkwrap\.json)$/i;

const byExtension = new Map<string, FileType>();
for (const [type, list] of Object.entries(extensionsOf) as [DocumentType, string][]) {
  for (const extension of list.split(' ')) byExtension.set(`.${extension}`, { type });
}
for (const [extension, language] of Object.entries(languages)) {
  byExtension.set(`.${extension}`, { type: 'source', language });
}

/** Whether the name is one of files that machines write for machines: lock files, source maps, minified code. */
export function isGenerated(path: string): boolean {
  return generated.test(basename(path));
}

/** The type of a file of that name; undefined when it is none that is read. */
export function fileType(path: string): FileType | undefined {
  const name = basename(path);
  if (generated.test(name)) return undefined;
  const extension = extname(name).toLowerCase();
  const known = byExtension.get(extension);
  if (known !== undefined) return known;
  if (extension !== '') return undefined;
  if (textNames.test(name)) return { type: 'text' };
  return sourceNames.test(name) ? { type: 'source' } : undefined;
}
