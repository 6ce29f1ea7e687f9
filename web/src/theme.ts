import {
  type CSSVariablesResolver,
  createTheme,
  type MantineColorsTuple,
  type MantineThemeOverride,
} from '@mantine/core';

/** The one accent: the green-blue of deep, calm water. */
const water: MantineColorsTuple = [
  '#e7f6f6',
  '#d2ebec',
  '#a5d8da',
  '#75c4c8',
  '#4fb3b8',
  '#2f9ea5',
  '#117a82',
  '#0b6b74',
  '#07575f',
  '#04434a',
];

/** Slate with a trace of the accent, so that dark pages do not look like switched-off ones. */
const dark: MantineColorsTuple = [
  '#d6dee0',
  '#b3c0c3',
  '#93a2a6',
  '#64757a',
  '#3d4d52',
  '#2c3a3f',
  '#212d31',
  '#172023',
  '#11181b',
  '#0b1012',
];

const FONT =
  'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** Dense, quiet, one accent. */
export const theme: MantineThemeOverride = createTheme({
  primaryColor: 'water',
  // White text reads on both.
  primaryShade: { light: 7, dark: 6 },
  colors: { water, dark },
  autoContrast: true,
  luminanceThreshold: 0.32,
  defaultRadius: 'md',
  fontFamily: FONT,
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace',
  headings: {
    fontFamily: FONT,
    fontWeight: '620',
    sizes: { h1: { fontSize: '1.375rem' }, h2: { fontSize: '0.9375rem' }, h3: { fontSize: '0.875rem' } },
  },
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.25rem' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: 'xs' } },
    TextInput: { defaultProps: { size: 'xs' } },
    PasswordInput: { defaultProps: { size: 'sm' } },
    NumberInput: { defaultProps: { size: 'xs' } },
    Select: { defaultProps: { size: 'xs', comboboxProps: { shadow: 'md' } } },
    Autocomplete: { defaultProps: { size: 'xs', comboboxProps: { shadow: 'md' } } },
    TagsInput: { defaultProps: { size: 'xs', comboboxProps: { shadow: 'md' } } },
    Textarea: { defaultProps: { size: 'xs' } },
    SegmentedControl: { defaultProps: { size: 'xs' } },
    Badge: { defaultProps: { variant: 'light', radius: 'sm', tt: 'none', fw: 550, px: 7, lts: 0 } },
    Tooltip: {
      defaultProps: { withArrow: true, openDelay: 200, events: { hover: true, focus: true, touch: true } },
    },
    Modal: { defaultProps: { centered: true, transitionProps: { duration: 120 } } },
    Drawer: { defaultProps: { transitionProps: { duration: 150 } } },
  },
});

type Tones = Readonly<Record<string, readonly [surface: string, text: string]>>;

/** Quiet surfaces of badges and notes, each with text that reads on it (WCAG AA). */
const LIGHT_TONES: Tones = {
  teal: ['#e0f4eb', '#0b6446'],
  red: ['#fde9e8', '#9d1c22'],
  yellow: ['#fdf2d6', '#704800'],
  orange: ['#fdecdf', '#83390a'],
  gray: ['#ebf0f1', '#43525a'],
  water: ['#e2f2f2', '#07575f'],
};

const DARK_TONES: Tones = {
  teal: ['#143529', '#84dfb8'],
  red: ['#432122', '#ffb0ab'],
  yellow: ['#392e14', '#f3ca70'],
  orange: ['#402812', '#ffbd90'],
  gray: ['#263338', '#bac7cb'],
  water: ['#17343a', '#93d6d9'],
};

function toneVariables(tones: Tones): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tones).flatMap(([name, [surface, text]]) => [
      [`--mantine-color-${name}-light`, surface],
      [`--mantine-color-${name}-light-color`, text],
    ]),
  );
}

/** Dimmed text dark enough for WCAG AA on every surface of the page; surfaces of our own. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...toneVariables(LIGHT_TONES),
    '--mantine-color-dimmed': '#50606a',
    '--mantine-color-body': '#ffffff',
    '--mantine-color-placeholder': '#5d6c75',
    '--mantine-color-error': '#b4232a',
    '--sluice-page': '#f4f7f7',
    '--sluice-line': '#dbe4e5',
    '--sluice-sunken': '#f0f4f4',
  },
  dark: {
    ...toneVariables(DARK_TONES),
    '--mantine-color-dimmed': '#a3b2b6',
    '--mantine-color-body': '#172023',
    '--mantine-color-placeholder': '#93a2a6',
    '--mantine-color-error': '#ff8f8f',
    '--sluice-page': '#0f1517',
    '--sluice-line': '#2a373b',
    '--sluice-sunken': '#11181b',
  },
});
