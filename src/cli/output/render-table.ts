// Columns of text for a terminal. Columns that hold only numbers are set right.

const NUMBER = /^[\d,.]*( ?(B|[KMGTP]iB|%|x))?$/;
const GAP = '  ';

/** Rows under their heads, aligned; the cells are printable already. */
export function renderTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const isNumeric = heads.map((_, column) => rows.length > 0 && rows.every((row) => NUMBER.test(row[column] ?? '')));
  const render = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        isNumeric[column] === true ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join(GAP)
      .trimEnd();
  return [render(heads), ...rows.map(render)].join('\n');
}
