import { describe, expect, it } from 'vitest';
import { SluiceError } from '../core/errors/error.ts';
import { boundaryOf, formFields, readForm, replaceField } from './multipart.ts';

const FORM = Buffer.from(
  [
    '--XX\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n',
    '--XX\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n\r\n-X-\r\n',
    '--XX\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\r\n',
    '--XX--\r\n',
  ].join(''),
  'latin1',
);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SluiceError) return error.code;
  }
  return 'none';
}

describe('boundaryOf', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data; charset=utf-8; boundary="a b"', 'a b'],
    ['application/json', undefined],
    ['multipart/form-data', undefined],
    [undefined, undefined],
  ])('%s', (type, boundary) => expect(boundaryOf(type)).toBe(boundary));
});

describe('readForm', () => {
  it('finds parts where they lie', () => {
    const parts = readForm(FORM, 'XX');
    expect(parts.map(({ name, filename }) => [name, filename])).toEqual([
      ['model', undefined],
      ['file', 'a.wav'],
      ['prompt', undefined],
    ]);
    expect(parts.map(({ from, to }) => FORM.toString('latin1', from, to))).toEqual([
      'whisper-1',
      '\r\n-X-',
      '',
    ]);
    expect({ ...formFields(FORM, parts) }).toEqual({ model: 'whisper-1', prompt: '' });
  });

  it('replaces one field and nothing else', () => {
    const changed = replaceField(FORM, readForm(FORM, 'XX'), { name: 'model', value: 'm' });
    expect(changed.toString('latin1')).toBe(FORM.toString('latin1').replace('whisper-1', 'm'));
  });

  it('refuses a body cut at any byte before its last boundary', () => {
    const end = FORM.lastIndexOf('--') + 2;
    for (let length = 0; length < end; length++) {
      expect(codeOf(() => readForm(FORM.subarray(0, length), 'XX'))).toBe('bad_request');
    }
  });

  it('refuses repeated fields, but not lists', () => {
    const part = (name: string) => `--X\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nv\r\n`;
    const read = (name: string) => {
      const bytes = Buffer.from(`${part(name)}${part(name)}--X--`);
      return () => formFields(bytes, readForm(bytes, 'X'));
    };
    expect(codeOf(read('model'))).toBe('bad_request');
    expect(codeOf(read('include[]'))).toBe('none');
  });
});
