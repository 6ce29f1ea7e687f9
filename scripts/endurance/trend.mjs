// What a row of samples says about growth.

/** Least squares: slope per unit of `x`, and its standard error. Points are `[x, y]`. */
export function lineThrough(points) {
  const count = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  let spread = 0;
  let common = 0;
  for (const [x, y] of points) {
    spread += (x - meanX) ** 2;
    common += (x - meanX) * (y - meanY);
  }
  const slope = common / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (count - 2) / spread) };
}

/** The lowest sample of each of `count` spans of equal length: what garbage collection comes back to. */
export function lowWater(points, count) {
  const first = points[0][0];
  const span = (points.at(-1)[0] - first) / count;
  const lows = [];
  for (let index = 0; index < count; index++) {
    const within = points.filter(([x]) => x >= first + index * span && x <= first + (index + 1) * span);
    if (within.length === 0) continue;
    lows.push(within.reduce((low, point) => (point[1] < low[1] ? point : low)));
  }
  return lows;
}
