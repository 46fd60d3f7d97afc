// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Which side a picture shows, by the name of its file.

import type { Side } from "./api";

export const SIDES: readonly Side[] = ["front", "left", "back", "right"];
const WORDS: Record<Side, RegExp> = {
  front: /(^|[^a-z0-9])(front|face|vorne|avant|f|0+1?|000|0deg)([^a-z0-9]|$)/,
  left: /(^|[^a-z0-9])(left|links|gauche|l|90|090|90deg)([^a-z0-9]|$)/,
  back: /(^|[^a-z0-9])(back|rear|behind|hinten|b|180|180deg)([^a-z0-9]|$)/,
  right: /(^|[^a-z0-9])(right|rechts|droite|r|270|270deg)([^a-z0-9]|$)/,
};

export function sideOf(name: string): Side | undefined {
  const stem = name.toLowerCase().replace(/\.[a-z0-9]+$/, "");
  return SIDES.find((side) => stem.includes(side)) ?? SIDES.find((side) => WORDS[side].test(stem));
}

/** A side for each file: by its name where that tells, then what is still free, in order. */
export function place(names: readonly string[], taken: readonly Side[], wanted?: Side): (Side | undefined)[] {
  const found: (Side | undefined)[] = names.map((name) => sideOf(name));
  if (names.length === 1 && wanted) return [wanted];
  const used = new Set<Side>();
  found.forEach((side, index) => {
    if (side && used.has(side)) found[index] = undefined;
    else if (side) used.add(side);
  });
  const first = SIDES.filter((side) => !used.has(side) && !taken.includes(side));
  const rest = SIDES.filter((side) => !used.has(side) && taken.includes(side));
  const free = [
    ...(wanted && !used.has(wanted) ? [wanted] : []),
    ...[...first, ...rest].filter((side) => side !== wanted),
  ];
  return found.map((side) => side ?? free.shift());
}
