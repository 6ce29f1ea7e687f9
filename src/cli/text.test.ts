import { describe, expect, it } from 'vitest';
import { clean, createPaint, displayWidth, pad, truncate } from './text.ts';

describe('clean', () => {
  it('takes the teeth out of escape sequences', () => {
    expect(clean('\u001b[31mred\u001b]0;title\u0007')).toBe('?[31mred?]0;title?');
    expect(clean('\u009b2J\u0000\u007f')).toBe('?2J??');
  });

  it('takes out what reorders text, and folds line ends', () => {
    expect(clean('a\u202egnp.exe\u2066')).toBe('a?gnp.exe?');
    expect(clean('one\r\ntwo\tthree\u2028four')).toBe('one two three four');
  });

  it('leaves names of all languages alone', () => {
    for (const text of ['gpt-4o', 'Größe', '模型', '👩‍💻', 'नमस्ते']) expect(clean(text)).toBe(text);
  });
});

describe('width', () => {
  it('counts columns, not code units', () => {
    expect(displayWidth('abc')).toBe(3);
    expect(displayWidth('模型')).toBe(4);
    expect(displayWidth('e\u0301')).toBe(1);
    expect(displayWidth('👩‍💻')).toBe(2);
  });

  it('cuts to columns and marks the cut', () => {
    expect(truncate('gpt-4o-mini', 20)).toBe('gpt-4o-mini');
    expect(truncate('gpt-4o-mini', 7)).toBe('gpt-4o…');
    expect(displayWidth(truncate('模型模型', 6))).toBeLessThanOrEqual(6);
    expect(truncate('abc', 0)).toBe('');
  });

  it('pads on either side', () => {
    expect(pad('模', 4)).toBe('模  ');
    expect(pad('7', 3, 'right')).toBe('  7');
  });
});

describe('colours', () => {
  it('are only for terminals that want them', () => {
    expect(createPaint(true, {})('red', 'x')).toBe('\u001b[31mx\u001b[39m');
    expect(createPaint(true, { NO_COLOR: '' })('red', 'x')).toContain('\u001b');
    expect(createPaint(true, { NO_COLOR: '1' })('red', 'x')).toBe('x');
    expect(createPaint(true, { TERM: 'dumb' })('red', 'x')).toBe('x');
    expect(createPaint(false, {})('red', 'x')).toBe('x');
  });
});
