// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The sides that a picture may show: one table, as src/fourview/sides.py has it. Frames: CONVENTIONS.md.

export type Side = "front" | "left" | "back" | "right";

interface SideEntry {
  /** The side that faces it. */
  opposite: Side;
  /** The camera's turn around +Y, from the front towards the subject's own left. */
  azimuthDeg: number;
  /** The axis of the model that runs across its picture. */
  across: "x" | "z";
  /** What its picture shows, in a few words. */
  hint: string;
  /** Words of file names that mean it, besides its own name. */
  fileWords: RegExp;
}

/** In the order of the interface. */
export const SIDES: Record<Side, SideEntry> = {
  front: {
    opposite: "back",
    azimuthDeg: 0,
    across: "x",
    hint: "the face",
    fileWords: wordsOf("face|vorne|avant|f|0+1?|000|0deg"),
  },
  left: {
    opposite: "right",
    azimuthDeg: 90,
    across: "z",
    hint: "its own left; nose to the left edge",
    fileWords: wordsOf("links|gauche|l|90|090|90deg"),
  },
  back: {
    opposite: "front",
    azimuthDeg: 180,
    across: "x",
    hint: "the back",
    fileWords: wordsOf("rear|behind|hinten|b|180|180deg"),
  },
  right: {
    opposite: "left",
    azimuthDeg: 270,
    across: "z",
    hint: "its own right; nose to the right edge",
    fileWords: wordsOf("rechts|droite|r|270|270deg"),
  },
};

export const FRONT: Side = "front"; // the side that every run needs
export const SIDE_NAMES = Object.keys(SIDES) as Side[];

export function isSide(name: string | null | undefined): name is Side {
  return SIDE_NAMES.includes(name as Side);
}

function wordsOf(words: string): RegExp {
  return new RegExp(`(^|[^a-z0-9])(${words})([^a-z0-9]|$)`);
}
