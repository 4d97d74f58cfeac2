import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/**
 * Rooms from the top of the house to the bottom (docs/ARCHITECTURE.md). A room imports only from rooms below
 * it; `host` only main.ts may import; images, network and runtime are neighbours and don't import each other.
 */
const floors = [
  ['main'],
  ['cli'],
  ['api'],
  ['cri'],
  ['agent'],
  ['pods'],
  ['images', 'network', 'runtime'],
  ['state'],
  ['spec'],
  ['telemetry'],
  ['host'],
  ['ports'],
  ['base'],
];

const forbidden = (room) => {
  const floor = floors.findIndex((rooms) => rooms.includes(room));
  const above = floors.slice(0, floor + 1).flat();
  const banned = above.filter((other) => other !== room && other !== 'main');
  if (room !== 'main' && room !== 'host' && !banned.includes('host')) banned.push('host');
  return banned;
};

export const roomRules = floors.flat().map((room) => ({
  files: room === 'main' ? ['src/main.ts', 'src/main/**/*.ts'] : [`src/${room}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: forbidden(room).map((other) => ({
          regex: `^(\\.\\./)+${other}/`,
          message: `${room}/ may not import ${other}/: imports point downwards (docs/ARCHITECTURE.md).`,
        })),
      },
    ],
  },
}));

/** Time, timers, chance and environment come through ports, so that a simulation owns them. */
export const bans = {
  files: ['src/**/*.ts'],
  ignores: ['src/host/**', 'src/main.ts', 'src/main/**', 'src/cli/**'],
  rules: {
    'no-restricted-properties': [
      'error',
      { object: 'Date', property: 'now', message: 'Use ports/clock.ts.' },
      { object: 'Math', property: 'random', message: 'Use ports/random.ts.' },
      { object: 'process', property: 'env', message: 'Only main and cli read the environment.' },
      { object: 'performance', property: 'now', message: 'Use ports/clock.ts.' },
    ],
    'no-restricted-globals': [
      'error',
      { name: 'setTimeout', message: 'Use ports/clock.ts.' },
      { name: 'setInterval', message: 'Use ports/clock.ts.' },
    ],
  },
};

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'coverage/**', 'src/ports/cri/messages.ts', 'test/data/**'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.mjs', 'bin/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
  {
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off' },
  },
  ...roomRules,
  bans,
);
