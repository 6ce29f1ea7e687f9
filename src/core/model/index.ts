export * from './event.ts';
export * from './format.ts';
export * from './json.ts';
export * from './message.ts';
export * from './profile.ts';
export * from './request.ts';
export * from './response.ts';
export * from './usage.ts';
