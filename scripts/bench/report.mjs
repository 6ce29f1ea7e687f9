// The tables.

const FIGURE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

function number(value, digits = 0) {
  if (value === undefined || Number.isNaN(value)) return 'not measured';
  return digits === 0 ? FIGURE.format(value) : value.toFixed(digits);
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}

function saturationTable(results) {
  const rows = [
    ['at saturation, 64 connections', 'requests/s', 'CPU µs', 'of it main', 'RSS MB', 'core busy'],
  ];
  for (const result of results) {
    rows.push([`**${result.title}**`, '', '', '', '', '']);
    for (const name of ['direct', 'bare', 'sluice']) {
      const side = result[name];
      const own = name !== 'direct';
      rows.push([
        name === 'direct' ? 'no gateway (ceiling)' : name,
        number(side.perSecond),
        own ? number(side.cpu) : '',
        own ? number(side.mainCpu) : '',
        own ? number(side.rss) : '',
        own ? `${number(side.share * 100)} %` : '',
      ]);
    }
  }
  return table(rows);
}

function pacedTable(results) {
  const rows = [['added ms, paced', 'no gateway p50', 'p99', 'bare p50', 'p99', 'sluice p50', 'p99']];
  for (const { title, stream, direct, bare, sluice } of results) {
    rows.push([
      stream ? `${title}: first event` : title,
      ...[direct, bare, sluice].flatMap((side) => [number(side.p50, 2), number(side.p99, 2)]),
    ]);
  }
  return table(rows);
}

/** Judges a figure: `better` says which way. */
function verdict(value, { floor, aim, better }) {
  if (value === undefined || Number.isNaN(value)) return 'not measured';
  const reaches = (limit) => (better === 'more' ? value >= limit : value <= limit);
  return reaches(aim) ? 'aim' : reaches(floor) ? 'floor' : 'below';
}

/** Figures of PERFORMANCE.md that this run can speak of. */
function figures({ saturation, paced, translation, starts, idle }) {
  const list = [];
  const add = (name, value, limits) => list.push({ name, value, ...limits });
  for (const { title, ratio, floor, aim } of saturation) {
    add(`throughput ÷ bare, ${title}`, ratio.perSecond, { floor, aim, better: 'more', digits: 2 });
    add(`CPU ÷ bare, ${title}`, ratio.cpu, { floor: 1.6, aim: 1.25, better: 'less', digits: 2 });
  }
  for (const { id, title, stream, bare, direct, sluice } of paced) {
    if (stream) {
      add('first event added over no gateway, p99 ms', sluice.p99 - direct.p50, {
        floor: 1,
        aim: 0.3,
        better: 'less',
        digits: 2,
      });
      const added = (side) => side.p99 - direct.p50;
      add('first event added, p99 ÷ bare’s', added(sluice) / added(bare), {
        floor: 1.5,
        aim: 1.1,
        better: 'less',
        digits: 2,
      });
      continue;
    }
    const limits = { floor: 0.3, aim: 0.2, better: 'less', digits: 2 };
    // The same as a ratio: the floor and aim are those of a machine on which bare adds 0.17 ms.
    add(`p50 added ÷ bare's, ${title}`, (sluice.p50 - direct.p50) / (bare.p50 - direct.p50), {
      floor: 1.8,
      aim: 1.2,
      better: 'less',
      digits: 2,
    });
    add(`p50 added over no gateway, ${title}, ms`, sluice.p50 - direct.p50, limits);
    if (id === 'fast') {
      add(`p99 ÷ bare, ${title}`, sluice.p99 / bare.p99, { floor: 1.5, aim: 1.1, better: 'less', digits: 2 });
    }
  }
  for (const { pair, whole, event, parse } of translation) {
    add(`${pair}, whole exchange, CPU µs`, whole, { floor: 60, aim: 30, better: 'less', digits: 1 });
    add(`${pair}, per event, CPU µs`, event, { floor: 3, aim: 1.5, better: 'less', digits: 2 });
    // The floors in microseconds are those of a machine that parses an event in 0.75: the ratio holds on any.
    add(`${pair}, per event ÷ its raw parse`, event / parse, { floor: 4, aim: 2, better: 'less', digits: 2 });
  }
  if (starts.again !== undefined)
    add('start to ready, ms', starts.again, { floor: 1500, aim: 500, better: 'less', digits: 0 });
  add('RSS at rest, MB', idle.sluice, { floor: 150, aim: 100, better: 'less', digits: 0 });
  return list;
}

function figureTable(list) {
  const rows = [['figure', 'measured', 'floor', 'aim', 'reaches']];
  for (const { name, value, floor, aim, better, digits } of list) {
    const sign = better === 'more' ? '≥' : '≤';
    rows.push([
      name,
      number(value, digits),
      `${sign} ${floor}`,
      `${sign} ${aim}`,
      verdict(value, { floor, aim, better }),
    ]);
  }
  return table(rows);
}

/** What a reader must know before believing the figures. */
function warnings({ saturation, paced, translation, pinned, rounds }) {
  const lines = [];
  for (const { title, done } of [...saturation, ...paced]) {
    if (done < rounds) lines.push(`${title}: time allowed only ${done} of ${rounds} rounds.`);
  }
  if (!pinned)
    lines.push('Processes were not pinned to cores: requests per second are not those of one core.');
  for (const { title, direct, bare, sluice } of saturation) {
    if (direct.perSecond < 1.5 * bare.perSecond) {
      lines.push(
        `${title}: the load generator alone reaches only ${(direct.perSecond / bare.perSecond).toFixed(2)} × bare; below 1.5 it may hold the gateway back.`,
      );
    }
    for (const [name, side] of [
      ['bare', bare],
      ['sluice', sluice],
    ]) {
      if (pinned && name === 'bare' && side.crowded > 0.1) {
        lines.push(
          `${title}: other processes kept bare off its core ${Math.round(side.crowded * 100)} % of the time; repeat this on a quiet machine.`,
        );
      } else if (pinned && side.share < 0.95) {
        lines.push(
          `${title}: ${name} kept its core busy only ${Math.round(side.share * 100)} % of the time; the load generator or other processes were the limit, so CPU per request is the figure to compare.`,
        );
      }
    }
  }
  for (const { pair, parse } of translation)
    lines.push(
      `${pair}: this machine parses an event in ${parse.toFixed(2)} µs; the floors in µs are those of one that takes 0.75.`,
    );
  for (const { title, bare, sluice } of paced) {
    for (const [name, side] of [
      ['bare', bare],
      ['sluice', sluice],
    ]) {
      if (side.missed > 0) lines.push(`${title}: ${side.missed} answers of ${name} did not come in time.`);
    }
  }
  return lines;
}

/** The whole report as text. */
export function report(results) {
  const list = figures(results);
  const notes = warnings(results);
  const { starts, idle, translation } = results;
  const large = translation.map(({ pair, whole20 }) => `${pair} ${number(whole20, 0)} µs`).join(', ');
  const ready =
    starts.first === undefined
      ? []
      : [
          `Start to ready: ${number(starts.first)} ms with an empty data directory, ${number(starts.again)} ms after that.`,
        ];
  return [
    ...(results.saturation.length === 0 ? [] : [saturationTable(results.saturation), '']),
    ...(results.paced.length === 0 ? [] : [pacedTable(results.paced), '']),
    ...ready,
    `At rest: bare ${number(idle.bare)} MB, sluice ${number(idle.sluice)} MB.`,
    ...(translation.length === 0 ? [] : [`A whole exchange with a 20 KB request, translated: ${large}.`]),
    '',
    figureTable(list),
    ...(notes.length === 0 ? [] : ['', ...notes.map((line) => `Note: ${line}`)]),
  ].join('\n');
}
