// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Which side a picture shows, by the name of its file.

import type { Side } from "./sides";
import { SIDE_NAMES, SIDES } from "./sides";

function sideFromName(name: string): Side | undefined {
  const stem = name.toLowerCase().replace(/\.[a-z0-9]+$/, "");
  return SIDE_NAMES.find((side) => stem.includes(side)) ?? SIDE_NAMES.find((side) => SIDES[side].fileWords.test(stem));
}

/** A side for each file: by its name where that says one, else the next free side in order. */
export function sidesFromNames(names: readonly string[], taken: readonly Side[], wanted?: Side): (Side | undefined)[] {
  if (names.length === 1 && wanted) return [wanted];
  const used = new Set<Side>();
  const found = names.map((name) => {
    const side = sideFromName(name);
    if (!side || used.has(side)) return undefined;
    used.add(side);
    return side;
  });
  const unused = SIDE_NAMES.filter((side) => !used.has(side));
  const free = [
    ...unused.filter((side) => side === wanted),
    ...unused.filter((side) => side !== wanted && !taken.includes(side)),
    ...unused.filter((side) => side !== wanted && taken.includes(side)),
  ];
  return found.map((side) => side ?? free.shift());
}
